package web

import (
	"context"
	"net/http"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/device"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Authorizations finds requests that wait for the person; identity.Authorizations has it.
type Authorizations interface {
	Find(ctx context.Context, id string, at time.Time) (identity.Authorization, error)
	Progress(ctx context.Context, id string, loggedInAt, consentedAt time.Time) error
}

// Authenticator checks names and passwords; *identity.Authenticator is one.
type Authenticator interface {
	Login(ctx context.Context, username, password, address string) (identity.User, error)
}

// Users finds people by their id; identity.Users has it.
type Users interface {
	User(ctx context.Context, id string) (identity.User, error)
	Lock(ctx context.Context, user identity.User) error
}

// Sessions starts and renews sessions; logoutstore.Store does.
type Sessions interface {
	Start(ctx context.Context, s logout.Session) error
	Renew(ctx context.Context, id string, secretHash []byte, authTime, at, idleUntil time.Time) error
	SetDevice(ctx context.Context, id, deviceID string) error
}

// Devices attaches the device from which a person logs in; *device.Registry does.
type Devices interface {
	// Hold lets nobody else change on which devices a person is signed in until the transaction in ctx ends.
	Hold(ctx context.Context, subject string) error

	Attach(ctx context.Context, a device.Arrival) (identity.Device, error)
	Full(ctx context.Context, a device.Arrival) (*device.Refusal, error)
	Refused(ctx context.Context, refusal *device.Refusal) error
}

// Choices keeps logins that wait for the person to choose a device; store.Devices does.
type Choices interface {
	WaitForChoice(ctx context.Context, hash []byte, c identity.DeviceChoice) error
	Choice(ctx context.Context, hash []byte, at time.Time) (identity.DeviceChoice, error)
	TakeChoice(ctx context.Context, hash []byte) error
}

// Current tells which live session the request's cookie belongs to, if any.
type Current interface {
	Session(ctx context.Context, r *http.Request) (logout.Session, bool, error)
}

// Ender ends sessions; *logout.Engine is one. It joins the transaction in ctx.
type Ender interface {
	End(ctx context.Context, req logout.Request) (*logout.Outcome, error)
}

// Tx runs fn in one database transaction: all of it is kept, or nothing.
type Tx interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Receipts tells what became of a logout's deliveries; *logout.Engine has it.
type Receipts interface {
	Receipts(ctx context.Context, logoutID string) ([]logout.Receipt, error)
}
