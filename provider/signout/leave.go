package signout

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// DonePath is the page that says "you are signed out" and who has been told.
const DonePath = "/logged_out"

// Engine ends sessions.
type Engine interface {
	End(ctx context.Context, req logout.Request) (*logout.Outcome, error)
	Wait(ctx context.Context, logoutID string, d time.Duration) []logout.Receipt
}

// Transactions runs functions in a transaction.
type Transactions interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Leaver ends sessions for somebody who waits in a browser.
type Leaver struct {
	Engine  Engine
	Tx      Transactions
	Cookies browser.Cookies
	Pages   *browser.Renderer
	Wait    time.Duration // how long the person waits at most for relying parties to confirm; 0: not at all
}

// Next is what follows the end.
type Next struct {
	RedirectURI string // validated; empty: the page that says who has been told
	State       string // appended to RedirectURI unchanged
	ClientID    string // whom that page offers to go back to; may be empty
	UILocales   string // the languages that page shall speak; may be empty
	DropCookie  bool   // the session that ends is the one of this browser's cookie

	// Page is a page of ours that says who has been told, in place of the usual one, where the person stays signed in. It may have a query.
	Page string

	// Also runs in the transaction that ends the session: both happen or neither.
	Also func(ctx context.Context) error
}

// Leave ends what req names and answers:
//
//  1. In one transaction: Engine.End, then next.Also. A client that hangs up does not undo it.
//  2. The cookie is dropped if the session was this browser's.
//  3. Wait at most l.Wait for the first answers of relying parties.
//  4. If relying parties have pages for it, a page that embeds them and then goes on by itself (Front-Channel Logout 1.0, 3).
//  5. Redirect to the validated URI with state (RP-Initiated Logout 1.0, 3), or to the page of receipts.
//
// Errors are those of the engine, and then nothing has ended.
func (l *Leaver) Leave(c echo.Context, req logout.Request, next Next) error {
	if next.DropCookie && req.Target.SessionID != "" { // only the session's own browser has the applications' cookies, and may see which they are
		req.BrowserSessionID = req.Target.SessionID
	}
	out, err := l.End(c.Request().Context(), req, next.Also)
	if err != nil {
		return err
	}
	return l.Follow(c, out, next)
}

// Follow is Leave from its second step on, for a logout that was part of something larger.
func (l *Leaver) Follow(c echo.Context, out *logout.Outcome, next Next) error {
	if next.DropCookie {
		l.Cookies.DropSession(c.Response())
	}
	if out.LogoutID != "" {
		l.Engine.Wait(c.Request().Context(), out.LogoutID, l.Wait)
		if next.RedirectURI == "" && (next.DropCookie || next.Page != "") {
			l.Cookies.SetReceipt(c.Response(), out.LogoutID)
		}
	}
	if len(out.Frames) > 0 {
		frames := make([]browser.Frame, len(out.Frames))
		for i, f := range out.Frames {
			frames[i] = browser.Frame{Name: cmp.Or(f.Name, f.ClientID), URI: f.URI}
		}
		return l.Pages.Frontchannel(c, frames, next.location(), next.DropCookie)
	}
	return l.Go(c, next)
}

// End is the first step of Leave alone, for callers that are no browser. It does not wait.
func (l *Leaver) End(ctx context.Context, req logout.Request, also func(ctx context.Context) error) (*logout.Outcome, error) {
	ctx = context.WithoutCancel(ctx)
	if also == nil {
		return l.Engine.End(ctx, req)
	}
	var out *logout.Outcome
	err := l.Tx.Tx(ctx, func(ctx context.Context) (err error) {
		if out, err = l.Engine.End(ctx, req); err != nil {
			return err
		}
		return also(ctx)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// EndInPlace is Leave for a page of an application that asked by script and stays where it is: steps 1 to 3, and the receipts as they are then.
// Nobody is told through the front channel, because the application must not learn of the others' pages. own says that the session is the one
// of this browser's cookies.
func (l *Leaver) EndInPlace(c echo.Context, req logout.Request, own bool) (*logout.Outcome, []logout.Receipt, error) {
	out, err := l.End(c.Request().Context(), req, nil)
	if err != nil {
		return nil, nil, err
	}
	if own {
		l.Cookies.DropSession(c.Response())
	}
	if out.LogoutID == "" {
		return out, nil, nil
	}
	return out, l.Engine.Wait(c.Request().Context(), out.LogoutID, l.Wait), nil
}

// Go is the last step of Leave alone, for when there was nothing to end. 303 makes the browser use GET whatever it sent (RFC 9110,
// 15.4.4).
func (l *Leaver) Go(c echo.Context, next Next) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	return c.Redirect(http.StatusSeeOther, next.location())
}

// location is where the browser goes in the end.
func (n Next) location() string {
	if n.RedirectURI != "" {
		return Location(n.RedirectURI, browser.Field{Name: "state", Value: n.State})
	}
	return Location(cmp.Or(n.Page, DonePath), browser.Field{Name: "client_id", Value: n.ClientID}, browser.Field{Name: "ui_locales", Value: n.UILocales})
}

// UserActor names the person in front of the browser as the one who asked for a logout.
func UserActor(c echo.Context, subject string) logout.Actor {
	return logout.Actor{Kind: "user", ID: subject, Address: c.RealIP(), UserAgent: c.Request().UserAgent()}
}

// ClientActor names an application that called by itself.
func ClientActor(c echo.Context, clientID string) logout.Actor {
	return logout.Actor{Kind: "client", ID: clientID, Address: c.RealIP(), UserAgent: c.Request().UserAgent()}
}
