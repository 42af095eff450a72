package logout

import (
	"errors"
	"math"
	"testing"
)

func TestCursor(t *testing.T) {
	for _, number := range []int64{0, 1, math.MaxInt64} {
		if got, err := parseCursor("shop", formatCursor("shop", number)); err != nil || got != number {
			t.Errorf("%d came back as %d, %v", number, got, err)
		}
	}
	if got, err := parseCursor("shop", ""); got != 0 || err != nil {
		t.Errorf("the empty cursor: %d, %v", got, err)
	}
	for name, cursor := range map[string]string{
		"another client's": formatCursor("bank", 1), "negative": formatCursor("shop", -1), "cut": formatCursor("shop", 1)[1:],
		"longer": formatCursor("shop", 1) + "A", "another version": "Ag" + formatCursor("shop", 1)[2:], "no base64": "?", "padded": formatCursor("shop", 1) + "=",
		"a line": formatCursor("shop", 1) + "\n",
	} {
		if got, err := parseCursor("shop", cursor); !errors.Is(err, ErrInvalidCursor) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}

// FuzzCursor: whatever is accepted is a number from 0 and the only cursor of that number, so nobody is led astray by a mangled one.
func FuzzCursor(f *testing.F) {
	f.Add("shop", formatCursor("shop", 7))
	f.Add("shop", "")
	f.Add("", "AQAAAAAAAAABAAAAAA")
	f.Fuzz(func(t *testing.T, clientID, cursor string) {
		number, err := parseCursor(clientID, cursor)
		switch {
		case err != nil && !errors.Is(err, ErrInvalidCursor):
			t.Errorf("error %v", err)
		case err == nil && (number < 0 || cursor != "" && formatCursor(clientID, number) != cursor):
			t.Errorf("%q was read as %d, which is %q", cursor, number, formatCursor(clientID, number))
		}
	})
}
