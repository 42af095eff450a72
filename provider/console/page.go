package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// view is the data of every template: what the layout needs, and the page's own.
type view struct {
	Nav    string // the part of the console that the page belongs to
	Admin  string // who is signed in; empty on the login page
	CSRF   string
	Notice string // what was just done
	Live   int    // the script asks again after so many seconds; 0: the page stays as it is
	Body   any
}

// render answers with a page of the console.
func (h *Console) render(c echo.Context, status int, name, title string, v view) error {
	v.Admin, v.CSRF = adminOf(c).user.Username, h.Cookies.CSRF(c.Response(), c.Request())
	if v.Admin != "" && v.Notice == "" {
		v.Notice = notice(c.QueryParams())
	}
	return h.Pages.Render(c, status, name, browser.Page{Title: title, Data: v, Live: true})
}

// notice says what the form has done from which the browser comes. The address holds a word and a number, never the text itself.
func notice(q url.Values) string {
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n < 0 {
		n = 0
	}
	switch q.Get("done") {
	case "redelivered":
		if n == 0 {
			return "Nothing was left to tell again."
		}
		return counted(n, "delivery is", "deliveries are") + " being told again."
	case "ended":
		return "There was nothing left to end: no such session lives any more."
	default:
		return ""
	}
}

// redirectDone leads to a page that says what was done.
func redirectDone(c echo.Context, path string, q url.Values, what string, n int) error {
	if q == nil {
		q = url.Values{}
	}
	q.Set("done", what)
	q.Set("n", strconv.Itoa(n))
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusSeeOther, path+"?"+q.Encode())
}

// moment is a time as a page shows it: how far it is from now, as a time and as a duration, and exactly.
type moment struct{ ISO, Clock, Ago, Span string }

// at returns nil for the zero time.
func (h *Console) at(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	return &moment{ISO: t.UTC().Format(time.RFC3339), Clock: t.UTC().Format("2006-01-02 15:04:05") + " UTC", Ago: ago(t.Sub(h.Now())), Span: span(t.Sub(h.Now()).Abs())}
}

// ago says a time relative to now.
func ago(d time.Duration) string {
	switch {
	case d > time.Second:
		return "in " + span(d)
	case d > -time.Second:
		return "just now"
	default:
		return span(-d) + " ago"
	}
}

// span says a duration in its largest unit, or in two where one says too little.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		if m := int(d.Minutes()) % 60; m > 0 {
			return fmt.Sprintf("%d h %d min", int(d.Hours()), m)
		}
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d < 48*time.Hour:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

// counted writes a number with thousands separated, and the word that goes with it.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// mark is a state with the shape and the colour that it is drawn with. The word stands beside them and says it all.
type mark struct{ State, Kind string }

func markOf(s logout.State) mark {
	kind := "leave"
	switch s {
	case logout.StateDelivered:
		kind = "told"
	case logout.StatePending, logout.StateRetrying:
		kind = "retrying"
	case logout.StateDead, logout.StateRejected:
		kind = "failed"
	case logout.StateUnconfirmed:
		kind = "asked"
	}
	return mark{string(s), kind}
}

// person is somebody, or an app, that a page names.
type person struct{ ID, Name string }

// Href is the page of a client.
func (p person) Href() string { return pathClients + "/" + url.PathEscape(p.ID) }

// people finds the names of subjects.
func (h *Console) people(ctx context.Context, subjects ...string) (func(subject string) person, error) {
	names, err := h.Names.Names(ctx, subjects)
	if err != nil {
		return nil, err
	}
	return func(subject string) person {
		if name := names[subject]; name != "" {
			return person{subject, name}
		}
		return person{subject, subject}
	}, nil
}

// maxUserAgent bounds what is kept of a browser's name, in bytes.
const maxUserAgent = 512

// clean makes outside text fit to be stored and shown: valid UTF-8, no NUL, at most limit bytes.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// notFound is the page for an address that names nothing.
func notFound(what string, err error) *browser.Error {
	return &browser.Error{
		Status: http.StatusNotFound, Title: "There is no such " + what, Message: "It may have been deleted after its time of retention, or the address is wrong.",
		Hint: "Go back and look for it in the list.", Err: err,
	}
}

// ShowError answers with the page of an error, in the console's clothes.
func (h *Console) ShowError(c echo.Context, e *browser.Error) error {
	browser.SetRetryAfter(c.Response().Header(), e.RetryAfter)
	page := browser.ErrorPage{Title: e.Title, Message: e.Message, Hint: e.Hint, RequestID: c.Response().Header().Get(echo.HeaderXRequestID)}
	if page.Title == "" {
		page.Title = http.StatusText(e.Status)
	}
	return h.render(c, e.Status, "error", page.Title, view{Body: page})
}
