package console

import (
	"context"
	"log/slog"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// Authenticator checks names and passwords; *identity.Authenticator is one.
type Authenticator interface {
	Login(ctx context.Context, username, password, address string) (identity.User, error)
}

// Users finds people.
type Users interface {
	User(ctx context.Context, id string) (identity.User, error)
	UserByName(ctx context.Context, username string) (identity.User, error)
	Lock(ctx context.Context, user identity.User) error
}

// Names finds the names of many people at once; those who are gone are missing.
type Names interface {
	Names(ctx context.Context, ids []string) (map[string]string, error)
}

// Sessions keeps the console's sessions and knows all others.
type Sessions interface {
	Start(ctx context.Context, s logout.Session) error
	Find(ctx context.Context, id string) (logout.Session, error)
	FindBySecret(ctx context.Context, hash []byte) (logout.Session, error)
}

// Live lists sessions that live, and who takes part in them.
type Live interface {
	LiveAfter(ctx context.Context, t logout.Target, at time.Time, after string, limit int) ([]logout.Session, error)
	Participations(ctx context.Context, sessionID string) ([]logout.Participation, error)
}

// Ledger reads deliveries.
type Ledger interface {
	List(ctx context.Context, f logout.Filter) ([]logout.Delivery, error)
	Show(ctx context.Context, id string) (logout.Delivery, []logout.Attempt, error)
	Count(ctx context.Context, f logout.Filter, most int) (int, error)
}

// Journal reads logouts.
type Journal interface {
	Logouts(ctx context.Context, f logout.LogoutFilter) ([]logout.Record, error)
	Ended(ctx context.Context, logoutID string, limit int) ([]logout.Session, error)
}

// Engine acts, and has the audit trail say what it did.
type Engine interface {
	End(ctx context.Context, req logout.Request) (*logout.Outcome, error)
	Redeliver(ctx context.Context, actor logout.Actor, f logout.Filter) (int, error)
	Overview(ctx context.Context, clients ...string) (map[string]logout.Overview, error)
}

// Clients knows the relying parties.
type Clients interface {
	Client(ctx context.Context, id string) (identity.Client, error)

	// ClientsAfter returns at most limit clients, by id, after a given one.
	ClientsAfter(ctx context.Context, after string, limit int) ([]identity.Client, error)
}

// Tx runs fn in one database transaction.
type Tx interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Console has a handler for each of its pages.
type Console struct {
	Issuer        string // as it stands in tokens, to show what was sent
	Users         Users
	Names         Names
	Authenticator Authenticator
	Sessions      Sessions
	Activity      signout.Activity // with the lifetimes of the console's sessions
	Live          Live
	Ledger        Ledger
	Journal       Journal
	Engine        Engine
	Clients       Clients
	Tx            Tx
	Audit         audit.Recorder
	Cookies       browser.AdminCookies
	Pages         *browser.Renderer // of the console's templates
	Now           func() time.Time
	Logger        *slog.Logger
}

// The lifetimes of the console's sessions: somebody who went for coffee has not left it open for the night.
const (
	IdleLifetime     = 30 * time.Minute
	AbsoluteLifetime = 12 * time.Hour
)
