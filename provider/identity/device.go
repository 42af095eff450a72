package identity

import (
	"encoding/json"
	"errors"
	"time"
)

// Device is a browser, or an installation of an app, by which one person logs in. Two people in one browser are two devices.
//
// A browser is recognised by a long-lived cookie. The id opens nothing: it names the device, to its person's apps too.
type Device struct {
	ID        string // UUIDv7
	Subject   string
	Name      string // in human words, such as "Firefox on Linux"
	UserAgent string // of the last login
	Address   string // network address of the last login
	Place     Place  // of that address
	CreatedAt time.Time
	PlacedAt  time.Time // the last login or attachment: when Address and Place were so
	SeenAt    time.Time // the last activity of any of its sessions

	// SignedIn says that the device has a live session, or an app on it a grant that outlives its session. Only such devices count for a limit.
	SignedIn bool

	DetachedAt time.Time // zero while it is attached
	Excluded   bool      // it counts for no limit, and no limit or inactivity detaches it
}

// Attachment is what one app has attached to a device. No other app sees it.
type Attachment struct {
	DeviceID   string
	ClientID   string
	Subject    string
	OwnID      string          // what the app itself calls the device; may be empty
	Metadata   json.RawMessage // a JSON object
	LogoutURL  string          // where the app's pages go when the device is detached; may be empty
	AttachedAt time.Time
}

// ErrNoDevice says that the person has no such device.
var ErrNoDevice = errors.New("identity: no such device")

// DeviceChoice is a login that waits for the person to choose a device to sign out. Name and password were right.
type DeviceChoice struct {
	Subject         string
	BrowserHash     []byte // of the browser that may go on
	PasswordHash    []byte // SHA-256 of the hash of the password: when it has changed meanwhile, so has everything
	AuthorizationID string // of the request that waits; empty for a plain login
	LoggedInAt      time.Time
	ExpiresAt       time.Time
}

// ErrNoDeviceChoice says that no such login waits (any more).
var ErrNoDeviceChoice = errors.New("identity: no login waits for a device to be chosen")
