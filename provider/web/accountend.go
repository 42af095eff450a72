package web

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// aim is what a button of the account page is about: exactly one of its fields is set, or none if the address makes no sense.
type aim struct {
	session string // one session
	scope   string // several
	app     string // one client_id
	device  string // one device
}

const (
	scopeOthers     = "others"
	scopeEverywhere = "everywhere"
)

// aimOf reads the parameters of an address or a form.
func aimOf(get func(string) string) aim {
	a := aim{session: get("session"), scope: get("scope"), app: get("app"), device: get("device")}
	switch {
	case a.session != clean(a.session, maxID), a.device != clean(a.device, maxID), a.app != clean(a.app, maxUsername), a.scope != "" && a.scope != scopeOthers && a.scope != scopeEverywhere:
		return aim{}
	case len(slices.DeleteFunc([]string{a.session, a.scope, a.app, a.device}, func(s string) bool { return s == "" })) != 1:
		return aim{}
	}
	return a
}

func (a aim) fields() []browser.Field {
	return slices.DeleteFunc([]browser.Field{
		{Name: "session", Value: a.session}, {Name: "scope", Value: a.scope}, {Name: "app", Value: a.app}, {Name: "device", Value: a.device},
	}, func(f browser.Field) bool { return f.Value == "" })
}

// address is where the page asks about it.
func (a aim) address(c echo.Context) string {
	return withLocales(c, signout.Location(pathAccountEnd, a.fields()...))
}

// request is the logout. Whatever a session's id says, the target stays within the person's own.
func (a aim) request(c echo.Context, me logout.Session) logout.Request {
	req := logout.Request{
		Cause: logout.CauseAccount, Actor: signout.UserActor(c, me.Subject), BrowserSessionID: me.ID,
		Target: logout.Target{Subject: me.Subject, SessionID: a.session, DeviceID: a.device},
	}
	switch {
	case a.scope == scopeOthers:
		req.Target.ExceptSessionID = me.ID
	case a.app != "":
		req.Cause, req.Target.ClientID, req.Target.OnlyParticipation = logout.CauseAccountApp, a.app, true
	}
	return req
}

// endsHere reports whether the session of this browser is among those that end.
func (a aim) endsHere(me logout.Session) bool {
	return a.scope == scopeEverywhere || a.session == me.ID || a.device != "" && a.device == me.DeviceID
}

// EndForm answers GET /account/end?session=, ?scope=others, ?scope=everywhere, ?app= and ?device=: it says exactly what will end and who will be told,
// before anything happens. What has ended meanwhile, and what is not the person's, leads back to the account page.
func (h *Account) EndForm(c echo.Context) error {
	me, user, err := h.me(c)
	if err != nil || user.ID == "" {
		return h.toLogin(c, err)
	}
	ctx, l, what := c.Request().Context(), h.Pages.Language(c), aimOf(c.QueryParam)
	if what == (aim{}) {
		return c.Redirect(http.StatusSeeOther, withLocales(c, pathAccount))
	}
	target := what.request(c, me).Target
	held, err := h.held(ctx, target, me, maxListed)
	if err != nil {
		return err
	}
	offline, err := h.offline(ctx, target)
	if err != nil {
		return err
	}
	device, err := h.device(ctx, target)
	if err != nil {
		return err
	}
	if len(held)+len(offline) == 0 && device.ID == "" {
		return c.Redirect(http.StatusSeeOther, withLocales(c, pathAccount))
	}
	page := browser.AccountEndPage{
		Hidden: append(what.fields(), browser.Field{Name: "ui_locales", Value: browser.UILocales(c)}), BackURI: withLocales(c, pathAccount),
		CSRF: h.Cookies.CSRF(c.Response(), c.Request()), Button: l.Text("log_out"),
	}
	total := len(held)
	if total == maxListed {
		if total, err = h.Sessions.CountLive(ctx, target, h.Now().UTC(), maxCounted); err != nil {
			return err
		}
	}
	page.More = total - len(held)
	names := h.names()
	for _, s := range held {
		row := browser.EndingSession{Name: agentName(l, s.UserAgent), Current: s.ID == me.ID, Since: h.since(l, s.Session)}
		if what.app == "" {
			if row.Notes, err = told(ctx, l, names, s.apps, row.Current); err != nil {
				return err
			}
		}
		page.Sessions = append(page.Sessions, row)
	}
	if what.app != "" {
		err = h.aboutApp(ctx, l, &page, names, what.app)
	} else {
		err = aboutSessions(ctx, l, &page, names, what.endsHere(me), total, offline)
	}
	if err != nil {
		return err
	}
	switch {
	case what.session != "" && what.endsHere(me):
		page.Heading = l.Text("account_end.this")
	case what.session != "":
		page.Heading = l.Text("account_end.one", "session", page.Sessions[0].Name)
	case what.scope == scopeOthers:
		page.Heading = l.Text("account_end.others", "n", total)
	case what.scope == scopeEverywhere:
		page.Heading = l.Text("account_end.everywhere")
	case device.ID != "":
		page.Heading, page.Button = l.Text("account_end.device", "device", deviceName(l, device)), l.Text("account_end.remove")
		page.Notes = append([]string{l.Text("account_end.forgotten")}, page.Notes...)
		if total == 0 {
			page.Lead = ""
		}
	}
	return h.Pages.Render(c, http.StatusOK, "account_end", browser.Page{Data: page})
}

// maxCounted is up to how many sessions a page counts.
const maxCounted = 1000

// aboutSessions says what becomes of the access that outlives sessions.
func aboutSessions(ctx context.Context, l *browser.Language, page *browser.AccountEndPage, names *clientNames, here bool, total int, offline []string) error {
	page.Lead = l.Text("account_end.ends", "n", total)
	if here {
		page.Lead = l.Text("account_end.ends_here", "n", total)
	}
	if len(offline) == 0 {
		return nil
	}
	apps, err := names.of(ctx, offline)
	page.Notes = []string{l.Text("account_end.offline", "n", len(apps), "apps", enumerateAll(l, apps))}
	return err
}

// aboutApp says what leaving one app means.
func (h *Account) aboutApp(ctx context.Context, l *browser.Language, page *browser.AccountEndPage, names *clientNames, id string) error {
	client, err := names.find(ctx, id)
	if err != nil {
		return err
	}
	name := displayName(client)
	page.Heading, page.Lead = l.Text("account_end.app", "app", name), l.Text("account_end.app_lead", "app", name)
	page.Button = l.Text("account_end.leave", "app", name)
	here := slices.ContainsFunc(page.Sessions, func(s browser.EndingSession) bool { return s.Current })
	page.Notes, err = told(ctx, l, names, []string{id}, here)
	return err
}

// told says which apps will be told that a session ends, and which cannot be. here says that the session is this browser's, which can ask
// apps that are told in no other way.
func told(ctx context.Context, l *browser.Language, names *clientNames, ids []string, here bool) ([]string, error) {
	if len(ids) == 0 {
		return []string{l.Text("account_end.nobody")}, nil
	}
	var reached, missed, notes []string
	for _, id := range ids {
		client, err := names.find(ctx, id)
		if err != nil {
			return nil, err
		}
		if reachable(client, here) {
			reached = append(reached, displayName(client))
		} else {
			missed = append(missed, displayName(client))
		}
	}
	if len(reached) > 0 {
		notes = append(notes, l.Text("account_end.told", "n", len(reached), "apps", enumerateAll(l, reached)))
	}
	if len(missed) > 0 {
		notes = append(notes, l.Text("account_end.untold", "n", len(missed), "apps", enumerateAll(l, missed)))
	}
	return notes, nil
}

// reachable reports whether the client registered a way to be told. Receivers of shared signals count: they fetch what is for them, or are
// sent it.
func reachable(c identity.Client, here bool) bool {
	return c.BackchannelLogoutURI != "" || c.WebhookURI != "" || here && c.FrontchannelLogoutURI != "" || c.MayAsk(identity.ScopeStreamManage)
}

// offline returns the clients whose grants with offline_access die with a logout of the target.
func (h *Account) offline(ctx context.Context, t logout.Target) ([]string, error) {
	grants, err := h.Grants.Offline(ctx, t)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, g := range grants {
		ids = appended(ids, g.ClientID)
	}
	return ids, nil
}

// device returns the device that a target names, if it is attached to the person; the zero Device otherwise.
func (h *Account) device(ctx context.Context, t logout.Target) (identity.Device, error) {
	if t.DeviceID == "" {
		return identity.Device{}, nil
	}
	devices, err := h.Devices.Of(ctx, t.Subject)
	if i := slices.IndexFunc(devices, func(d identity.Device) bool { return d.ID == t.DeviceID }); err == nil && i >= 0 {
		return devices[i], nil
	}
	return identity.Device{}, err
}

// End answers POST /account/end:
//
//  1. Only from our own form in this browser (CSRF).
//  2. End it through the engine, in the person's name.
//  3. Where this browser is signed out, the page of every logout; elsewhere /account/done, with the same receipts.
func (h *Account) End(c echo.Context) error {
	if err := h.Cookies.CheckCSRF(c.Request()); err != nil {
		return err
	}
	me, user, err := h.me(c)
	if err != nil || user.ID == "" {
		return h.toLogin(c, err)
	}
	what := aimOf(c.Request().PostForm.Get)
	if what == (aim{}) {
		return c.Redirect(http.StatusSeeOther, withLocales(c, pathAccount))
	}
	req, next := what.request(c, me), signout.Next{UILocales: browser.UILocales(c)}
	if what.endsHere(me) {
		next.DropCookie = true
	} else {
		next.Page = pathAccountDone
	}
	ctx := context.WithoutCancel(c.Request().Context()) // hanging up does not undo it
	switch {
	case what.device != "":
		return h.detach(ctx, c, req, next)
	case what.app == "":
		return h.Leaver.Leave(c, req, next)
	}
	if _, err := h.Clients.Client(ctx, what.app); errors.Is(err, identity.ErrNoClient) { // it cannot come back; only the rest of it can go
		return h.Leaver.Leave(c, req, next)
	} else if err != nil {
		return err
	}
	out, err := h.Changer.LeaveApp(ctx, req)
	if err != nil {
		return err
	}
	return h.Leaver.Follow(c, out, next)
}

// detach removes a device, whether anybody is signed in on it or not.
func (h *Account) detach(ctx context.Context, c echo.Context, req logout.Request, next signout.Next) error {
	out, err := h.Detacher.Detach(ctx, req)
	switch {
	case errors.Is(err, identity.ErrNoDevice), err == nil && out.LogoutID == "" && !next.DropCookie: // nothing was signed in there: no receipts
		return c.Redirect(http.StatusSeeOther, withLocales(c, pathAccount))
	case err != nil:
		return err
	}
	return h.Leaver.Follow(c, out, next)
}
