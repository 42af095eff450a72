package protocol

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
)

// Settings are what all endpoints share.
type Settings struct {
	Issuer     string // exactly as it stands in tokens
	Lifetimes  Lifetimes
	Algorithms []string // of signatures, the default first
	Languages  []string // tags of those that the pages speak
	Now        func() time.Time
	Logger     *slog.Logger
	Audit      audit.Recorder

	GlobalRevocation bool // some client may use PathGlobalRevocation
	Registration     bool // clients may register themselves
}

// Lifetimes of what is issued.
type Lifetimes struct {
	Code    time.Duration
	Access  time.Duration
	ID      time.Duration
	Refresh time.Duration // starts anew with each rotation
}

// The paths of the endpoints, below the issuer.
const (
	PathDiscovery         = "/.well-known/openid-configuration"
	PathKeys              = "/keys"
	PathAuthorize         = "/authorize"
	PathResume            = "/authorize/resume"
	PathDeny              = "/authorize/deny"
	PathToken             = "/token"
	PathUserinfo          = "/userinfo"
	PathIntrospect        = "/introspect"
	PathRevoke            = "/revoke"
	PathEndSession        = "/end_session"
	PathEndSessionConfirm = "/end_session/confirm"
	PathCheckSession      = "/check_session"
	PathLogout            = "/logout"
	PathLogoutConfirm     = "/logout/confirm"
	PathAPILogout         = "/api/logout"
	PathDeliveries        = "/api/deliveries"
	PathRedeliver         = "/api/deliveries/redeliver"
	PathGlobalRevocation  = "/global-token-revocation"
	PathSignals           = "/.well-known/ssf-configuration"
	PrefixSignals         = "/ssf/"
	PathStream            = "/ssf/stream"
	PathStreamStatus      = "/ssf/status"
	PathStreamAdd         = "/ssf/subjects/add"
	PathStreamRemove      = "/ssf/subjects/remove"
	PathStreamVerify      = "/ssf/verify"
	PathStreamPoll        = "/ssf/poll/" // and the stream
	PathRegister          = "/register"
	PathUserToken         = "/api/user-token"
	PathDevices           = "/api/devices"
	PathEvents            = "/api/events"
	PathEventsAck         = "/api/events/ack"
	PathSessionLogout     = "/api/session/logout"
	PathSessionStatus     = "/api/session/status"
	PathRealtimeTicket    = "/api/realtime/ticket"
	pathLogin             = "/login"
	pathConsent           = "/consent"
	pathContinue          = "/continue"
	pathDevices           = "/authorize/devices"
)

// URL returns the address of an endpoint.
func (s Settings) URL(path string) string { return strings.TrimSuffix(s.Issuer, "/") + path }

// Transactions runs functions in a transaction, the one in ctx if there is one.
type Transactions interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Locker takes the row of a live session until the transaction in ctx ends; logout.ErrNoSession when it does not live any more.
type Locker interface {
	Lock(ctx context.Context, id string, at time.Time) (logout.Session, error)
}

// Ender ends sessions and participations. It joins the transaction in ctx.
type Ender interface {
	End(ctx context.Context, req logout.Request) (*logout.Outcome, error)
}
