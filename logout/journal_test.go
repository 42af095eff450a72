package logout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

func ExampleParsePosition() {
	at := time.Date(2026, 3, 4, 5, 6, 7, 891011000, time.UTC)
	cursor := logout.Position{At: at, ID: "0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f"}.String()
	place, err := logout.ParsePosition(cursor)
	fmt.Println(cursor, place.At.Equal(at), place.ID, err)
	_, err = logout.ParsePosition("yesterday")
	fmt.Println(err)
	// Output:
	// hgc1ju08qr.0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f true 0192f3c4-5b6a-7c8d-9e0f-1a2b3c4d5e6f <nil>
	// logout: "yesterday" is not a cursor of ours
}

func ExampleWindow() {
	w := logout.Window{Told: 3, Failing: 1}
	w.Measure([]time.Duration{4 * time.Second, time.Second, 30 * time.Second, 2 * time.Second})
	share, known := w.Success()
	fmt.Println(share, known, w.Median, w.P95)
	_, known = logout.Window{}.Success()
	fmt.Println(known)
	// Output:
	// 0.75 true 2s 4s
	// false
}

func FuzzParsePosition(f *testing.F) {
	for _, seed := range []string{"", ".", "a.b", "gn3.0192f3c4", "-1y2p0ij32e8e8.f", "zzzzzzzzzzzzzzzzzzzz.0", "1.\x00", "1.é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		place, err := logout.ParsePosition(cursor)
		if err != nil {
			return
		}
		again, err := logout.ParsePosition(place.String())
		if err != nil || !again.At.Equal(place.At) || again.ID != place.ID {
			t.Errorf("%q is %v, which is read as %v, %v", cursor, place, again, err)
		}
	})
}
