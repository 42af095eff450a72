package protocol

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// A subject identifier that is accepted is about one person, and another parser reads the same out of it.
func FuzzParseSubject(f *testing.F) {
	f.Add([]byte(`{"sub_id":{"format":"email","email":"alice@example.com"}}`))
	f.Add([]byte(`{"sub_id":{"format":"iss_sub","iss":"https://id.example.com","sub":"alice"},"more":[1]}`))
	f.Add([]byte(`{"sub_id":{"format":"opaque","id":"alice","id":"bob"}}`))
	f.Add([]byte(`{"sub_id":{"format":"opaque","id":1}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := parseSubject(body)
		if err != nil {
			return
		}
		var read struct {
			ID map[string]string `json:"sub_id"`
		}
		if err := json.Unmarshal(body, &read); err != nil {
			t.Fatalf("accepted %q, which is no such object: %v", body, err)
		}
		if (id.Email == "") == (id.Subject == "") || id.Email != read.ID["email"] || id.Subject != read.ID["sub"]+read.ID["id"] || id.Issuer != read.ID["iss"] {
			t.Errorf("%s is read as %+v", body, id)
		}
	})
}

// Nobody but us can make a request that we kept.
func FuzzKeeper(f *testing.F) {
	k, err := NewKeeper([][32]byte{{1}}, func() time.Time { return testNow })
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := k.seal("/logout", keptRequest{Values: url.Values{"client_id": {"shop"}}}, time.Minute)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("/end_session", sealed)
	f.Add("/logout", sealed[1:])
	f.Add("/logout", "")
	f.Add("/logout", "!")
	f.Fuzz(func(t *testing.T, path, text string) {
		if values, err := k.kept(path, text); err == nil && (path != "/logout" || values.Get("client_id") != "shop") {
			t.Errorf("opened %q for %s: %v", text, path, values)
		}
	})
}

// What is asked of the events is within its bounds, or refused.
func FuzzParsePull(f *testing.F) {
	f.Add("100", "30", "true", "")
	f.Add("1001", "-1", "TRUE", "AQ")
	f.Add("+1", "0x1", "", "\x00")
	f.Fuzz(func(t *testing.T, limit, wait, pending, after string) {
		r, err := parsePull(parameters{"limit": limit, "wait": wait, "pending": pending, "after": after})
		if err == nil && (r.limit < 1 || r.limit > logout.MaxPull || r.wait < 0 || r.wait > longestPull || r.pending && r.after != "" || r.pending != (pending == "true")) {
			t.Errorf("accepted %+v", r)
		}
	})
}
