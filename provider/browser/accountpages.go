package browser

// The data of the pages on which people see where they are signed in. Texts are in the person's language; paths are ours, with their query.

// AccountPage is the data of "account".
type AccountPage struct {
	Username      string
	Sessions      []AccountSession // this browser's first
	More          bool             // there are more than are listed
	OthersURI     string           // ends all other sessions; empty when there is none
	EverywhereURI string           // ends all sessions
	Apps          []AccountApp
	Devices       []AccountDevice
	MoreDevices   bool
	PasswordURI   string
}

// AccountSession is one session of the person.
type AccountSession struct {
	Name    string // of browser and system
	Current bool   // it is this browser's
	Since   string // when and from where the person signed in
	Seen    string // when it was last active; empty when that is now
	Apps    string // names; empty when no app takes part
	EndURI  string
}

// AccountApp is one app that knows the person.
type AccountApp struct {
	Name     string
	Sessions string // in how many it takes part; empty for none
	Offline  bool   // it has a grant that outlives sessions
	EndURI   string
}

// AccountDevice is one device that is attached to the person.
type AccountDevice struct {
	Name    string
	Current bool   // this browser's session is on it
	Seen    string // whether somebody is signed in on it, and when it was used last
	Place   string // where that was; empty when nobody knows
	EndURI  string
}

// AccountEndPage is the data of "account_end": what will end, said before.
type AccountEndPage struct {
	Heading  string
	Lead     string
	Sessions []EndingSession
	More     int // how many more end than are listed
	Notes    []string
	Button   string
	Hidden   []Field // what the form carries besides csrf
	CSRF     string
	BackURI  string
}

// EndingSession is a session that will end, or that an app will leave.
type EndingSession struct {
	Name    string
	Current bool
	Since   string
	Notes   []string // who will be told, and who cannot be
}

// AccountDonePage is the data of "account_done": what has happened.
type AccountDonePage struct {
	Heading  string
	Text     string // one more sentence; may be empty
	Receipts LoggedOutPage
	Ended    bool // a logout belongs to it, of which Receipts are
	BackURI  string
}

// AccountPasswordPage is the data of "account_password".
type AccountPasswordPage struct {
	Username string // for password managers
	Error    string // why the last attempt failed; empty at first
	Shortest int    // in characters
	CSRF     string
	Locales  string // ui_locales
	BackURI  string
}

// ContinuePage is the data of "continue", which asks before an app that was left knows the person again.
type ContinuePage struct {
	ID         string // of the waiting authorization
	ClientName string
	Username   string
	OtherURI   string // where somebody else signs in
	CSRF       string
}
