package browser

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// defaultLanguage is the one that every text exists in, and that speaks to whoever asks for none of ours.
const defaultLanguage = "en"

// maxLocales bounds what is read of a wish for languages, in bytes: an honest one names a few.
const maxLocales = 256

// Language is everything that the pages say, in one language. It is safe for concurrent use.
type Language struct {
	Tag string // BCP 47, such as "de": what stands in the page's lang attribute

	tag    language.Tag
	texts  map[string]message
	errors map[string]string
}

// catalogue holds the languages of a renderer, the default first.
type catalogue struct {
	languages []*Language
	matcher   language.Matcher
}

// message is one text, in the forms that its number of things asks for (Unicode CLDR, plural rules). One without forms has only "other".
type message map[plural.Form]string

var pluralForms = map[string]plural.Form{
	"zero": plural.Zero, "one": plural.One, "two": plural.Two, "few": plural.Few, "many": plural.Many, "other": plural.Other,
}

// UnmarshalJSON reads a string, or an object of forms.
func (m *message) UnmarshalJSON(text []byte) error {
	var plain string
	if json.Unmarshal(text, &plain) == nil {
		*m = message{plural.Other: plain}
		return nil
	}
	var forms map[string]string
	if err := json.Unmarshal(text, &forms); err != nil {
		return fmt.Errorf("a text is a string, or an object of strings by plural form: %w", err)
	}
	*m = message{}
	for name, form := range forms {
		known, ok := pluralForms[name]
		if !ok {
			return fmt.Errorf("there is no plural form %q", name)
		}
		(*m)[known] = form
	}
	if (*m)[plural.Other] == "" {
		return fmt.Errorf(`the plural form "other" is missing`)
	}
	return nil
}

// readCatalogue reads locale/*.json, one file per language, named by its tag. Each has "texts", which are named by keys, and "errors", by what
// they are called in English, as they stand in the code and in the log. A language that lacks a text of the English one, or has another
// beside, is refused: nobody shall see half a page in a language of their own.
func readCatalogue(files fs.FS) (catalogue, error) {
	names, err := fs.Glob(files, "locale/*.json")
	if err != nil {
		return catalogue{}, fmt.Errorf("browser: listing the languages: %w", err)
	}
	english := &Language{Tag: defaultLanguage, tag: language.English}
	c := catalogue{languages: []*Language{english}}
	for _, name := range names {
		l, err := readLanguage(files, name)
		if err != nil {
			return catalogue{}, fmt.Errorf("browser: %s: %w", name, err)
		}
		if l.Tag == defaultLanguage {
			*english = *l
			continue
		}
		c.languages = append(c.languages, l)
	}
	var tags []language.Tag
	for _, l := range c.languages {
		tags = append(tags, l.tag)
		if missing, extra := difference(english.texts, l.texts); len(missing)+len(extra) > 0 {
			return catalogue{}, fmt.Errorf("browser: locale/%s.json lacks %q and has %q, which English does not have", l.Tag, missing, extra)
		}
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

func readLanguage(files fs.FS, name string) (*Language, error) {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	var content struct {
		Texts  map[string]message `json:"texts"`
		Errors map[string]string  `json:"errors"`
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, err
	}
	tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".json"))
	if err != nil {
		return nil, fmt.Errorf("its name is no language tag: %w", err)
	}
	return &Language{Tag: tag.String(), tag: tag, texts: content.Texts, errors: content.Errors}, nil
}

// difference returns the keys that only one of two languages has.
func difference(a, b map[string]message) (onlyA, onlyB []string) {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[key]; !ok {
			onlyA = append(onlyA, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[key]; !ok {
			onlyB = append(onlyB, key)
		}
	}
	return onlyA, onlyB
}

// choose returns the language that fits the first of the wishes that any fits: ui_locales (OpenID Connect Core 1.0, 3.1.2.1), tags separated
// by spaces, or what a browser sends as Accept-Language (RFC 9110, 12.5.4).
func (c catalogue) choose(uiLocales, acceptLanguage string) *Language {
	var asked []language.Tag
	for _, locale := range strings.Fields(uiLocales) {
		if tag, err := language.Parse(locale); err == nil {
			asked = append(asked, tag)
		}
	}
	accepted, _, err := language.ParseAcceptLanguage(bounded(acceptLanguage))
	if err != nil {
		accepted = nil
	}
	for _, wish := range [][]language.Tag{asked, accepted} {
		if len(wish) == 0 {
			continue
		}
		if _, i, confidence := c.matcher.Match(wish...); confidence > language.No {
			return c.languages[i]
		}
	}
	return c.languages[0]
}

func bounded(s string) string {
	if len(s) <= maxLocales {
		return s
	}
	s = s[:maxLocales]
	return s[:max(strings.LastIndexAny(s, " ,"), 0)] // not half a tag
}

// Text returns a text by its key. args are names and values in turn; {name} in the text becomes the value, and the value of "n", an int,
// chooses the plural form. An unknown key is returned as it is: a test finds those that stand in the code.
func (l *Language) Text(key string, args ...any) string {
	if text, ok := l.text(key, args, func(s string) string { return s }); ok {
		return text
	}
	return key
}

// Has reports whether there is a text of that key.
func (l *Language) Has(key string) bool {
	_, ok := l.texts[key]
	return ok
}

// Error returns what an error says, given what it says in English.
func (l *Language) Error(english string, args ...any) string {
	if translated, ok := l.errors[english]; ok {
		english = translated
	}
	return insert(english, args, func(s string) string { return s })
}

// inTemplate is the template function "t": Text, in which an unknown key fails the rendering.
func (l *Language) inTemplate(key string, args ...any) (string, error) {
	text, ok := l.text(key, args, func(s string) string { return s })
	if !ok {
		return "", fmt.Errorf("browser: no text is called %q", key)
	}
	return text, nil
}

// richInTemplate is the template function "rich": the text is HTML of ours, such as a <strong> around a name, and its values are not.
func (l *Language) richInTemplate(key string, args ...any) (template.HTML, error) {
	text, ok := l.text(key, args, template.HTMLEscapeString)
	if !ok {
		return "", fmt.Errorf("browser: no text is called %q", key)
	}
	return template.HTML(text), nil //nolint:gosec // the catalogue is ours, the values are escaped
}

func (l *Language) text(key string, args []any, escape func(string) string) (string, bool) {
	m, ok := l.texts[key]
	if !ok {
		return "", false
	}
	text := m[plural.Other]
	for i := 0; i+1 < len(args); i += 2 {
		if n, isInt := args[i+1].(int); isInt && args[i] == "n" {
			if form, ok := m[plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)]; ok {
				text = form
			}
		}
	}
	return insert(text, args, escape), true
}

// insert puts values into a text, all at once: braces in a value mean nothing.
func insert(text string, args []any, escape func(string) string) string {
	if len(args) == 0 {
		return text
	}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		pairs = append(pairs, fmt.Sprintf("{%v}", args[i]), escape(fmt.Sprint(args[i+1])))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

const localesKey = "exeunt ui_locales"

// SetLocales says which languages the application wants that sent the person here (ui_locales). It holds for all that this request is
// answered with, errors too.
func SetLocales(c echo.Context, locales ...string) { c.Set(localesKey, strings.Join(locales, " ")) }

// UILocales returns the wish of ui_locales that the request carries: what SetLocales said, or the parameter of its address or form. A page
// whose next steps shall speak the same language hands it on.
func UILocales(c echo.Context) string {
	locales, _ := c.Get(localesKey).(string)
	if locales == "" {
		locales = c.QueryParam("ui_locales")
	}
	if form := c.Request().PostForm; locales == "" && form != nil {
		locales = form.Get("ui_locales")
	}
	return strings.Join(slices.DeleteFunc(strings.Fields(bounded(locales)), func(locale string) bool {
		return strings.Trim(locale, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != ""
	}), " ")
}

// Language returns the language in which a request is answered: by ui_locales, or else by what the browser accepts, or else English.
func (r *Renderer) Language(c echo.Context) *Language {
	return r.catalogue.choose(UILocales(c), c.Request().Header.Get("Accept-Language"))
}

// Languages returns the tags of all languages, English first.
func (r *Renderer) Languages() []string {
	var tags []string
	for _, l := range r.catalogue.languages {
		tags = append(tags, l.Tag)
	}
	return tags
}
