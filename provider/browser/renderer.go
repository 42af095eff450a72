package browser

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// autoSubmit posts the form at once. It calls the prototype's method because a field named "submit" would hide the form's own.
const autoSubmit = `HTMLFormElement.prototype.submit.call(document.getElementById("form-post"));`

// Renderer turns templates into answers. It is safe for concurrent use.
type Renderer struct {
	pages     map[place]map[string]*template.Template
	catalogue catalogue
	product   string
}

// place is what a set of parsed templates is made for.
type place struct {
	base Base
	tag  string // of the language
}

// Page is one answer to a browser.
type Page struct {
	Title      string   // Defaults to the text "<template>.title", if there is one
	FormAction []string // where the form's answer may redirect to, besides us: validated redirect URIs, their origins or schemes
	Script     string   // the one inline script, trusted, given a nonce; only form_post and frontchannel have one
	Data       any      // the struct that belongs to the template, see pages.go

	FrameSources []string // origins of the pages that it embeds; only frontchannel has some

	Live bool // it loads a script of ours, which asks us what is new
}

// view is what a template sees.
type view struct {
	Page
	Locale  string // language tag
	Product string
	Nonce   string
	Script  template.JS
}

// NewRenderer parses all templates: layout.html and, inside it, each other *.html in the top folder of files, known by its name
// without the extension. Static files are named by {{asset "name"}}, our own paths and validated redirect URIs by {{uri "/login"}}, texts by
// {{t "key" "name" .Value}}, or rich in place of t where they hold HTML; product is the name in the title and the header. Pages are made in
// each language of locale/*.json, see Language, below each of the bases, and below none.
func NewRenderer(files fs.FS, assets *Assets, product string, bases ...Base) (*Renderer, error) {
	languages, err := readCatalogue(files)
	if err != nil {
		return nil, err
	}
	r := &Renderer{pages: map[place]map[string]*template.Template{}, catalogue: languages, product: product}
	for _, base := range slices.Compact(append(bases, "")) {
		for _, l := range languages.languages {
			pages, err := parsePages(files, template.FuncMap{
				"uri":  base.link,
				"t":    l.inTemplate,
				"rich": l.richInTemplate,
				"asset": func(name string) (string, error) {
					path, err := assets.url(name)
					return base.Public(path), err
				},
			})
			if err != nil {
				return nil, err
			}
			r.pages[place{base, l.Tag}] = pages
		}
	}
	return r, nil
}

func parsePages(files fs.FS, functions template.FuncMap) (map[string]*template.Template, error) {
	layout, err := template.New("layout.html").Funcs(functions).ParseFS(files, "layout.html")
	if err != nil {
		return nil, fmt.Errorf("browser: parsing the layout: %w", err)
	}
	names, err := fs.Glob(files, "*.html")
	if err != nil {
		return nil, fmt.Errorf("browser: listing the templates: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		if name == "layout.html" {
			continue
		}
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(files, name)
		}
		if err != nil {
			return nil, fmt.Errorf("browser: parsing the template %s: %w", name, err)
		}
		pages[strings.TrimSuffix(name, path.Ext(name))] = page
	}
	return pages, nil
}

// Render answers with the named template. The answer carries the security headers of every page; nothing is sent when the template
// fails, so that the boundary can still answer with an error.
func (r *Renderer) Render(c echo.Context, status int, name string, p Page) error {
	l := r.Language(c)
	page, ok := r.pages[place{baseOf(c), l.Tag}][name]
	if !ok {
		return fmt.Errorf("browser: no template is called %q", name)
	}
	v := view{Page: p, Locale: l.Tag, Product: r.product, Script: template.JS(p.Script)} //nolint:gosec // our own constant
	if v.Title == "" && l.Has(name+".title") {
		v.Title = l.Text(name + ".title")
	}
	if p.Script != "" {
		v.Nonce = NewSecret()
	}
	var body bytes.Buffer
	if err := page.ExecuteTemplate(&body, "layout.html", v); err != nil {
		return fmt.Errorf("browser: rendering %s: %w", name, err)
	}
	c.Response().Header().Set("Content-Language", l.Tag)
	secure(c.Response().Header(), p.FormAction, p.FrameSources, v.Nonce, p.Live)
	return c.HTMLBlob(status, body.Bytes())
}

// Error answers with the page of an error: its status, its texts, Retry-After, and the request's id so that the operator can find
// the log line.
func (r *Renderer) Error(c echo.Context, e *Error) error {
	SetRetryAfter(c.Response().Header(), e.RetryAfter)
	l := r.Language(c)
	data := ErrorPage{
		Title: l.Error(e.Title), Message: l.Error(e.Message, e.Args...), Hint: l.Error(e.Hint), RequestID: c.Response().Header().Get(echo.HeaderXRequestID),
	}
	if e.Outcome != "" {
		data.Message += " " + l.Error(e.Outcome)
	}
	if data.Title == "" {
		data.Title = http.StatusText(e.status())
	}
	return r.Render(c, e.status(), "error", Page{Title: data.Title, Data: data})
}

// SetRetryAfter says when trying again makes sense, in whole seconds, rounded up (RFC 9110, 10.2.3). Nothing is said for 0.
func SetRetryAfter(h http.Header, after time.Duration) {
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
}

// FormPost answers an authorization request by a form that posts itself to action, the validated redirect URI (OAuth 2.0 Form Post
// Response Mode, 2). Without scripts the person presses its button.
func (r *Renderer) FormPost(c echo.Context, action string, fields []Field) error {
	return r.Render(c, http.StatusOK, "form_post", Page{
		FormAction: []string{action}, Script: autoSubmit, Data: FormPostPage{Action: action, Fields: fields},
	})
}
