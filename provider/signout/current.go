package signout

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// Finder finds sessions by the hash of a cookie.
type Finder interface {
	FindBySecret(ctx context.Context, hash []byte) (logout.Session, error)
}

// Current answers whose session a request belongs to.
type Current struct {
	Sessions Finder
	Cookies  browser.Cookies
	Now      func() time.Time
}

// Session returns the live session of the request's cookie. No cookie, an unknown one, and a session that has ended or passed one of
// its lifetimes all give false. The error is the store's.
func (c Current) Session(ctx context.Context, r *http.Request) (logout.Session, bool, error) {
	secret := c.Cookies.Session(r)
	if secret == "" {
		return logout.Session{}, false, nil
	}
	s, err := c.Sessions.FindBySecret(ctx, browser.Hash(secret))
	switch {
	case errors.Is(err, logout.ErrNoSession):
		return logout.Session{}, false, nil
	case err != nil:
		return logout.Session{}, false, err
	}
	return s, s.Live(c.Now()), nil
}
