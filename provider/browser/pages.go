package browser

// The data of each template. Strings are plain text and are escaped by the template; URIs must have been validated by the caller.

// LoginPage is the data of "login".
type LoginPage struct {
	ID         string // of the waiting authorization; empty for a plain login
	Username   string // what was typed, or the login_hint
	Error      string // why the last attempt failed; empty at first
	Notice     string // why the person is asked although nothing went wrong; may be empty
	ClientName string // the app that asks; empty for a plain login
	Next       string // of a plain login: the page of ours that it leads to; empty means home
	Locales    string // of a plain login: ui_locales
	CSRF       string
}

// DevicesPage is the data of "devices": a person is signed in on as many devices as they may be, or uses an app on as many, and comes with one more.
type DevicesPage struct {
	Action          string // path that the choice is posted to; empty when the person may not choose
	Choice          string // the login that waits for it; empty when a session waits
	AuthorizationID string // of the request that waits; empty for a plain login
	Next            string // of a plain login: see LoginPage
	Locales         string // of a plain login: ui_locales
	ClientName      string // the app that asks; empty for a plain login
	OfApp           bool   // the limit is the app's
	Devices         []DeviceText
	Count, Limit    int
	Surplus         int    // how many must be signed out; 0: there is room by now
	Error           string // why the last choice was none
	CSRF            string
}

// DeviceText is a device in human words.
type DeviceText struct {
	ID     string
	Number string // of the row, from 1
	Name   string
	Seen   string // when it was used last
	Place  string // where; may be empty
}

// ConsentPage is the data of "consent".
type ConsentPage struct {
	ID         string // of the waiting authorization
	ClientName string
	ClientURI  string // the app's home page; may be empty
	PolicyURI  string // its privacy policy; may be empty
	TosURI     string // its terms of service; may be empty
	Username   string
	Scopes     []ScopeText
	CSRF       string
}

// ScopeText says in human words what a scope gives away.
type ScopeText struct {
	Scope string // as in the protocol
	Title string // what the app gets
	Text  string // one more sentence; may be empty
}

// LogoutConfirmPage is the data of "logout_confirm".
type LogoutConfirmPage struct {
	ClientName string   // the app that asks; empty if nobody knows
	Username   string   // whose session would end
	Apps       []string // names of those who would be told
	Action     string   // path that the form is posted to
	Hidden     []Field  // what the form carries besides csrf, in this order
	CSRF       string
	CancelURI  string // where "stay" leads: a validated URI; empty means "/"
}

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// LoggedOutPage is the data of "logged_out". It names no person: computers are shared.
type LoggedOutPage struct {
	Apps           []AppReceipt
	Summary        string // one sentence over all apps; empty without Apps
	Retrying       bool   // somebody is still to be told
	Told, Total    int
	RefreshSeconds int    // without scripts the page is loaded again after so many seconds; 0: it is not
	PollMillis     int    // with scripts it is kept up to date, first after so many milliseconds; 0: everything is final
	From           string // path that a script asks
	Here           string // path of the page itself
	ReturnURI      string
	ReturnName     string
}

// AppReceipt is what became of telling one app.
type AppReceipt struct {
	Name  string
	State string // told, asked, retrying or failed: chooses the mark
	Text  string // the same in words
}

// ErrorPage is the data of "error".
type ErrorPage struct {
	Title     string
	Message   string
	Hint      string
	RequestID string // what the person can give to the operator; may be empty
}

// FormPostPage is the data of "form_post" (OAuth 2.0 Form Post Response Mode). Use Renderer.FormPost, which also sets the script.
type FormPostPage struct {
	Action string // the validated redirect URI
	Fields []Field
}

// HomePage is the data of "home".
type HomePage struct {
	SignedIn bool
	Username string
}
