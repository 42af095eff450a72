package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// The pages on which people see where they are signed in.
const (
	pathAccount         = "/account"
	pathAccountEnd      = "/account/end"
	pathAccountDone     = "/account/done"
	pathAccountPassword = "/account/password"
)

// maxListed is how many sessions a page lists, newest first, and how many devices.
const maxListed = 50

// LiveSessions lists who is signed in; *logoutstore.Store does.
type LiveSessions interface {
	// Live returns at most limit sessions of a target that are live at a time, newest first.
	Live(ctx context.Context, t logout.Target, at time.Time, limit int) ([]logout.Session, error)

	// CountLive counts them, up to a limit.
	CountLive(ctx context.Context, t logout.Target, at time.Time, limit int) (int, error)

	// Participations lists the live participations of a session.
	Participations(ctx context.Context, sessionID string) ([]logout.Participation, error)
}

// OfflineGrants finds what outlives sessions; identity.Grants of the store does.
type OfflineGrants interface {
	// Offline returns the grants with offline_access that a logout of the target would revoke.
	Offline(ctx context.Context, t logout.Target) ([]identity.Grant, error)
}

// AttachedDevices lists the devices of a person; store.Devices does.
type AttachedDevices interface {
	// Of returns them, the one that was seen last first.
	Of(ctx context.Context, subject string) ([]identity.Device, error)
}

// Detacher detaches devices; *device.Registry does.
type Detacher interface {
	// Detach detaches the device that the request's target names, with its person.
	Detach(ctx context.Context, req logout.Request) (*logout.Outcome, error)
}

// Journal tells what a logout was; logout.Journal has it.
type Journal interface {
	Logouts(ctx context.Context, f logout.LogoutFilter) ([]logout.Record, error)
}

// Changer makes the changes in a person's account that end sessions together with something else.
type Changer interface {
	// LeaveApp ends all that the app in the request's target has of the person, and keeps it from coming back unasked.
	LeaveApp(ctx context.Context, req logout.Request) (*logout.Outcome, error)

	// ChangePassword sets a new password and ends all sessions but one.
	ChangePassword(ctx context.Context, user identity.User, password, sessionID string, actor logout.Actor) (*logout.Outcome, error)
}

// Account is the person's own page: where they are signed in, and with which apps. Whoever is not signed in is sent to the login page, which
// leads back.
//
// GET /account
//
//  1. The live sessions, this browser's first, each with the apps that take part.
//  2. The apps: those that take part in a session, and those whose access outlives sessions.
//  3. The devices that are attached, signed in or not. What apps have attached to them is theirs, and not shown.
//
// With scripts it leaves by itself when its session ends elsewhere (live.js).
//
// Every button leads to a page that says what will end; see accountend.go. The other pages are in accountdone.go and accountpassword.go.
type Account struct {
	Current       Current
	Users         Users
	Clients       identity.Clients
	Sessions      LiveSessions
	Grants        OfflineGrants
	Devices       AttachedDevices
	Detacher      Detacher
	Journal       Journal
	Changer       Changer
	Authenticator Authenticator
	LoggedOut     *LoggedOut
	Leaver        *signout.Leaver
	Audit         audit.Recorder
	Cookies       browser.Cookies
	Pages         *browser.Renderer
	Now           func() time.Time
}

// Get shows the page.
func (h *Account) Get(c echo.Context) error {
	me, user, err := h.me(c)
	if err != nil || user.ID == "" {
		return h.toLogin(c, err)
	}
	ctx, l := c.Request().Context(), h.Pages.Language(c)
	mine := logout.Target{Subject: me.Subject}
	held, err := h.held(ctx, mine, me, maxListed+1)
	if err != nil {
		return err
	}
	page := browser.AccountPage{Username: user.Username, PasswordURI: withLocales(c, pathAccountPassword), EverywhereURI: aim{scope: scopeEverywhere}.address(c)}
	if page.More = len(held) > maxListed; page.More {
		held = held[:maxListed]
	}
	if len(held) > 1 {
		page.OthersURI = aim{scope: scopeOthers}.address(c)
	}
	devices, err := h.Devices.Of(ctx, me.Subject)
	if err != nil {
		return err
	}
	if page.MoreDevices = len(devices) > maxListed; page.MoreDevices {
		devices = devices[:maxListed]
	}
	for _, d := range devices {
		row := browser.AccountDevice{Name: deviceName(l, d), Current: d.ID == me.DeviceID, Place: d.Place.String(), EndURI: aim{device: d.ID}.address(c)}
		if row.Seen = l.Text("account.device_out", "ago", ago(l, h.Now().Sub(d.SeenAt))); d.SignedIn {
			row.Seen = l.Text("account.device_in", "ago", ago(l, h.Now().Sub(d.SeenAt)))
		}
		page.Devices = append(page.Devices, row)
	}
	names := h.names()
	for _, s := range held {
		row := browser.AccountSession{
			Name: agentName(l, s.UserAgent), Current: s.ID == me.ID, Since: h.since(l, s.Session), EndURI: aim{session: s.ID}.address(c),
		}
		if seen := h.Now().Sub(s.SeenAt); seen >= time.Minute && !row.Current {
			row.Seen = l.Text("account.seen", "ago", ago(l, seen))
		}
		apps, err := names.of(ctx, s.apps)
		if err != nil {
			return err
		}
		row.Apps = enumerateAll(l, apps)
		page.Sessions = append(page.Sessions, row)
	}
	if page.Apps, err = h.apps(c, l, me.Subject, held, names); err != nil {
		return err
	}
	return h.Pages.Render(c, http.StatusOK, "account", browser.Page{Data: page, Live: true})
}

// me returns the session of this browser and whose it is; the zero User when nobody is signed in.
func (h *Account) me(c echo.Context) (logout.Session, identity.User, error) {
	ctx := c.Request().Context()
	session, live, err := h.Current.Session(ctx, c.Request())
	if err != nil || !live {
		return session, identity.User{}, err
	}
	user, err := h.Users.User(ctx, session.Subject)
	if errors.Is(err, identity.ErrNoUser) { // deleted meanwhile
		return session, identity.User{}, nil
	}
	return session, user, err
}

// toLogin sends somebody who is not signed in to the login page, and from there to the account page; err is why nobody knows.
func (h *Account) toLogin(c echo.Context, err error) error {
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, withLocales(c, pathLogin+"?next=account"))
}

// heldSession is a session with the clients that take part in it, in the order in which they joined.
type heldSession struct {
	logout.Session
	apps []string
}

// held returns live sessions of a target, at most so many: first the one of this browser, if it is among them, then those that were active
// last.
func (h *Account) held(ctx context.Context, t logout.Target, me logout.Session, limit int) ([]heldSession, error) {
	sessions, err := h.Sessions.Live(ctx, t, h.Now().UTC(), limit)
	if err != nil {
		return nil, err
	}
	if t == (logout.Target{Subject: me.Subject}) && len(sessions) == limit && !slices.ContainsFunc(sessions, func(s logout.Session) bool { return s.ID == me.ID }) {
		sessions[limit-1] = me // an old one, behind so many that began later
	}
	slices.SortStableFunc(sessions, func(a, b logout.Session) int {
		if a.ID == me.ID || b.ID == me.ID {
			return cmp.Compare(boolInt(b.ID == me.ID), boolInt(a.ID == me.ID))
		}
		return b.SeenAt.Compare(a.SeenAt)
	})
	held := make([]heldSession, len(sessions))
	for i, s := range sessions {
		held[i].Session = s
		parts, err := h.Sessions.Participations(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			held[i].apps = append(held[i].apps, p.ClientID)
		}
	}
	return held, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// apps lists every client that knows the person now, by name.
func (h *Account) apps(c echo.Context, l *browser.Language, subject string, held []heldSession, names *clientNames) ([]browser.AccountApp, error) {
	ctx := c.Request().Context()
	grants, err := h.Grants.Offline(ctx, logout.Target{Subject: subject})
	if err != nil {
		return nil, err
	}
	sessions, offline := map[string]int{}, map[string]bool{}
	var ids []string
	for _, s := range held {
		for _, id := range s.apps {
			sessions[id]++
			ids = appended(ids, id)
		}
	}
	for _, grant := range grants {
		offline[grant.ClientID] = true
		ids = appended(ids, grant.ClientID)
	}
	apps := make([]browser.AccountApp, len(ids))
	for i, id := range ids {
		client, err := names.find(ctx, id)
		if err != nil {
			return nil, err
		}
		apps[i] = browser.AccountApp{Name: displayName(client), Offline: offline[id], EndURI: aim{app: id}.address(c)}
		if n := sessions[id]; n > 0 {
			apps[i].Sessions = l.Text("account.app_sessions", "n", n)
		}
	}
	slices.SortStableFunc(apps, func(a, b browser.AccountApp) int {
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return apps, nil
}

// since says when and from where somebody signed in.
func (h *Account) since(l *browser.Language, s logout.Session) string {
	when := ago(l, h.Now().Sub(s.CreatedAt))
	if s.Address == "" {
		return l.Text("account.since", "ago", when)
	}
	return l.Text("account.since_from", "ago", when, "address", s.Address)
}

// clientNames looks up what people see of clients, each once.
type clientNames struct {
	clients identity.Clients
	known   map[string]identity.Client
}

func (h *Account) names() *clientNames {
	return &clientNames{clients: h.Clients, known: map[string]identity.Client{}}
}

// find returns a client; one that has been deleted has nothing but its id.
func (n *clientNames) find(ctx context.Context, id string) (identity.Client, error) {
	if client, ok := n.known[id]; ok {
		return client, nil
	}
	client, err := n.clients.Client(ctx, id)
	if errors.Is(err, identity.ErrNoClient) {
		client, err = identity.Client{ID: id}, nil
	}
	if err == nil {
		n.known[id] = client
	}
	return client, err
}

func (n *clientNames) of(ctx context.Context, ids []string) ([]string, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		client, err := n.find(ctx, id)
		if err != nil {
			return nil, err
		}
		names[i] = displayName(client)
	}
	return names, nil
}
