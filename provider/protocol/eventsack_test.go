package protocol

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// FuzzAck: a body is refused, or is a list that is read the same when it is written again.
func FuzzAck(f *testing.F) {
	for _, body := range []string{`{"ids":["a","b"]}`, `{"ids":[]}`, `{}`, `null`, `{"ids":["\u0000"]}`, `{"IDS":["a"],"ids":["b"]}`, `[`, ``} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		ids, err := readAck(strings.NewReader(body))
		if err != nil {
			if ids != nil && !json.Valid([]byte(body)) {
				t.Errorf("%q is no JSON and gives %q", body, ids)
			}
			return
		}
		again, err := json.Marshal(map[string]any{"ids": ids})
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := readAck(strings.NewReader(string(again))); err != nil || !slices.Equal(ids, twice) {
			t.Errorf("%q gives %q, and written again %q, %v", body, ids, twice, err)
		}
	})
}
