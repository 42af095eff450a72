package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// Filter chooses entries. Empty fields match everything.
type Filter struct {
	Since   time.Time // from this moment
	Until   time.Time // before this moment
	Kind    Kind
	Subject string

	Oldest bool   // oldest first; otherwise newest first
	After  Cursor // continue behind this entry, in the order that Oldest says
	Limit  int    // how many at most; 0: all
}

// Cursor is an entry's place in the trail.
type Cursor struct {
	At time.Time
	ID string
}

// Cursor returns the entry's place.
func (e Entry) Cursor() Cursor { return Cursor{At: e.At, ID: e.ID} }

// String returns the cursor as text that a URL may carry.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.At.UnixMicro(), 10) + "." + c.ID))
}

var errCursor = errors.New("is not a cursor of an earlier page")

// ParseCursor reads what Cursor.String wrote.
func ParseCursor(text string) (Cursor, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Cursor{}, errCursor
	}
	micros, id, found := strings.Cut(string(data), ".")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || !found || !storable(id) || len(id) > 64 {
		return Cursor{}, errCursor
	}
	return Cursor{At: time.UnixMicro(at).UTC(), ID: id}, nil
}

// storable refuses what PostgreSQL could not even compare.
func storable(s string) bool {
	return !strings.ContainsRune(s, 0) && strings.ToValidUTF8(s, "") == s
}

const (
	// DefaultPage and MaxPage are how many entries a page of the API holds.
	DefaultPage = 100
	MaxPage     = 1000
)

// Page is a page of the trail as the API answers it.
type Page struct {
	Entries []Line `json:"entries"`
	Next    string `json:"next_cursor,omitempty"` // the cursor of the page that follows; empty: there is none
}

// NewPage makes a page of what was read with a filter.
func NewPage(entries []Entry, f Filter) Page {
	p := Page{Entries: make([]Line, len(entries))}
	for i, e := range entries {
		p.Entries[i] = e.Line()
	}
	if len(entries) == f.Limit && len(entries) > 0 {
		p.Next = entries[len(entries)-1].Cursor().String()
	}
	return p
}

// ParseQuery reads the query parameters since, until, kind, sub, order (newest, oldest), cursor and limit (to MaxPage, default DefaultPage).
// Times are those of logout.ParseTime. The error names the parameter; it may be shown.
func ParseQuery(values url.Values, now time.Time) (Filter, error) {
	f := Filter{Kind: Kind(values.Get("kind")), Subject: values.Get("sub"), Limit: DefaultPage}
	var err error
	if f.Since, err = logout.ParseTime(values.Get("since"), now); err != nil {
		return f, fmt.Errorf("since %w", err)
	}
	if f.Until, err = logout.ParseTime(values.Get("until"), now); err != nil {
		return f, fmt.Errorf("until %w", err)
	}
	switch values.Get("order") {
	case "", "newest":
	case "oldest":
		f.Oldest = true
	default:
		return f, errors.New("order is neither newest nor oldest")
	}
	if text := values.Get("cursor"); text != "" {
		if f.After, err = ParseCursor(text); err != nil {
			return f, fmt.Errorf("cursor %w", err)
		}
	}
	if text := values.Get("limit"); text != "" {
		if f.Limit, err = strconv.Atoi(text); err != nil || f.Limit < 1 || f.Limit > MaxPage {
			return f, fmt.Errorf("limit is not a number from 1 to %d", MaxPage)
		}
	}
	return f, f.Check()
}

// Check refuses what matches nothing for want of care. The error names the field by its parameter.
func (f Filter) Check() error {
	switch {
	case f.Kind != "" && !slices.Contains(Kinds(), f.Kind):
		names := make([]string, len(Kinds()))
		for i, k := range Kinds() {
			names[i] = string(k)
		}
		return fmt.Errorf("kind is none of %s", strings.Join(names, ", "))
	case !storable(f.Subject):
		return errors.New("sub is not valid text")
	case !f.Until.IsZero() && f.Until.Before(f.Since):
		return errors.New("until is before since")
	}
	return nil
}
