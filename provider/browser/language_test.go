package browser_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/labstack/echo/v4"
	"golang.org/x/net/html"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/templates"
)

// ui_locales comes before what the browser accepts, and what neither of them fits is English.
func TestLanguageIsChosen(t *testing.T) {
	renderer := newRenderer(t)
	tests := []struct{ uiLocales, accept, want string }{
		{"", "", "en"},
		{"de", "", "de"},
		{"de-CH en", "en", "de"},
		{"fr de", "", "de"},
		{"fr", "de;q=0.5, nl", "de"},
		{"en", "de", "en"},
		{"", "de-AT, de;q=0.9, en;q=0.8", "de"},
		{"", "en-GB, de;q=0.9", "en"},
		{"", "fr, es;q=0.9", "en"},
		{"x", "\xff/*;q=x", "en"},
		{"<script> \x00 %", strings.Repeat("de,", 10000), "de"},
		{strings.Repeat("fr ", 1000) + "de", "", "en"},
	}
	for _, test := range tests {
		w := render(t, func(c echo.Context) error {
			c.Request().Header.Set("Accept-Language", test.accept)
			browser.SetLocales(c, strings.Split(test.uiLocales, " ")...)
			return renderer.Render(c, 200, "login", browser.Page{Data: browser.LoginPage{}})
		})
		if got := w.Header().Get("Content-Language"); got != test.want || !strings.Contains(w.Body.String(), `<html lang="`+test.want+`">`) {
			t.Errorf("ui_locales %.20q, Accept-Language %.20q: %s, want %s", test.uiLocales, test.accept, got, test.want)
		}
	}
	w := render(t, func(c echo.Context) error {
		c.Request().Header.Set("Accept-Language", "de")
		return renderer.Error(c, &browser.Error{Title: "There is no such page", Message: "It says more than once: {parameter}.", Args: []any{"parameter", "{n}<b>"}, Outcome: "unknown"})
	})
	for _, must := range []string{"<title>Diese Seite gibt es nicht · Exeunt</title>", "Sie nennt mehr als einmal: {n}&lt;b&gt;. unknown"} {
		if !strings.Contains(w.Body.String(), must) {
			t.Errorf("the error page lacks %s:\n%s", must, w.Body)
		}
	}
}

// A language with more plural forms than English has is a file like every other; half a language is refused.
func TestLanguageFiles(t *testing.T) {
	assets, err := browser.NewAssets(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	open := func(polish string) (*browser.Renderer, error) {
		return browser.NewRenderer(fstest.MapFS{
			"layout.html":    {Data: []byte(`{{block "main" .}}{{end}}`)},
			"page.html":      {Data: []byte(`{{define "main"}}{{range .Data}}{{t "apps" "n" .}} {{end}}{{rich "name" "app" "<&>"}}{{end}}`)},
			"locale/en.json": {Data: []byte(`{"texts": {"apps": {"one": "{n} app", "other": "{n} apps"}, "name": "<b>{app}</b>"}}`)},
			"locale/pl.json": {Data: []byte(polish)},
		}, assets, "Exeunt")
	}
	renderer, err := open(`{"texts": {"apps": {"one": "{n} aplikacja", "few": "{n} aplikacje", "other": "{n} aplikacji"}, "name": "<i>{app}</i>"}}`)
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]string{"en": "1 app 3 apps 5 apps <b>&lt;&amp;&gt;</b>", "pl": "1 aplikacja 3 aplikacje 5 aplikacji <i>&lt;&amp;&gt;</i>"} {
		w := render(t, func(c echo.Context) error {
			browser.SetLocales(c, tag)
			return renderer.Render(c, 200, "page", browser.Page{Data: []int{1, 3, 5}})
		})
		if w.Body.String() != want {
			t.Errorf("%s: %q, want %q", tag, w.Body, want)
		}
	}
	for name, broken := range map[string]string{
		"a text less": `{"texts": {"name": "x"}}`, "a text more": `{"texts": {"apps": "x", "name": "x", "other": "x"}}`, "no such form": `{"texts": {"apps": {"eleven": "x", "other": "x"}, "name": "x"}}`,
		"no other": `{"texts": {"apps": {"one": "x"}, "name": "x"}}`, "no text": `{"texts": {"apps": 1, "name": "x"}}`, "no JSON": `{`,
	} {
		if _, err := open(broken); err == nil || !strings.Contains(err.Error(), "pl") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// files are those of the templates that match a pattern, by name.
func files(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	names, err := fs.Glob(templates.FS, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	found := make(map[string][]byte, len(names))
	for _, name := range names {
		if found[name], err = templates.FS.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// catalogues are the files as they are.
func catalogues(t *testing.T) map[string]struct {
	Texts  map[string]any
	Errors map[string]string
} {
	t.Helper()
	all := map[string]struct {
		Texts  map[string]any
		Errors map[string]string
	}{}
	for name, text := range files(t, "locale/*.json") {
		content := all[name]
		if err := json.Unmarshal(text, &content); err != nil {
			t.Fatal(err)
		}
		all[name] = content
	}
	return all
}

// forms returns the strings of a text.
func forms(text any) []string {
	switch text := text.(type) {
	case string:
		return []string{text}
	case map[string]any:
		var all []string
		for _, form := range text {
			all = append(all, form.(string))
		}
		return all
	}
	return nil
}

var (
	placeholder = regexp.MustCompile(`\{[a-z]+\}`)
	markup      = regexp.MustCompile(`<[^>]*>`)
	keyInPage   = regexp.MustCompile(`\((?:t|rich) "([a-z_.]+)"|\{\{-? ?(?:t|rich) "([a-z_.]+)"`)
	keyInCode   = regexp.MustCompile(`"([a-z_]+(?:\.[a-z_]+)+|continue|log_out|signed_in)"`)
)

// Every language says the same with the same values and the same elements, and every text is used.
func TestTexts(t *testing.T) {
	all := catalogues(t)
	english := all["locale/en.json"].Texts
	for name, content := range all {
		for key, text := range content.Texts {
			want := forms(english[key])
			for _, form := range forms(text) {
				values := placeholder.FindAllString(form, -1)
				for _, value := range values {
					if !strings.Contains(strings.Join(want, " "), value) {
						t.Errorf("%s: %s has %s, which English does not have", name, key, value)
					}
				}
				for _, value := range placeholder.FindAllString(want[0], -1) {
					if value != "{n}" && !slices.Contains(values, value) {
						t.Errorf("%s: %s lacks %s", name, key, value)
					}
				}
				if got, want := strings.Join(markup.FindAllString(form, -1), ""), strings.Join(markup.FindAllString(want[0], -1), ""); got != want {
					t.Errorf("%s: %s has the elements %s, English %s", name, key, got, want)
				}
			}
		}
	}
	used := map[string]bool{}
	for name, source := range files(t, "*.html") {
		used[strings.TrimSuffix(name, ".html")+".title"] = true // Page.Title's default
		for _, m := range keyInPage.FindAllStringSubmatch(string(source), -1) {
			key := m[1] + m[2]
			used[key] = true
			if english[key] == nil {
				t.Errorf("%s: there is no text %q", name, key)
			}
			if rich := strings.Contains(m[0], "rich"); rich != markup.MatchString(strings.Join(forms(english[key]), "")) {
				t.Errorf("%s: %s holds elements and is not rich, or the other way round", name, key)
			}
		}
	}
	for _, file := range sources(t, "../web/*.go") {
		for _, m := range keyInCode.FindAllStringSubmatch(file, -1) {
			used[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`\.Text\("([^"]+)"`).FindAllStringSubmatch(file, -1) {
			if english[m[1]] == nil {
				t.Errorf("there is no text %q", m[1])
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(english)) {
		if !used[key] && !strings.HasPrefix(key, "scope.") {
			t.Errorf("nothing uses the text %q", key)
		}
	}
}

func sources(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(pattern, err)
	}
	var all []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(source))
	}
	return all
}

// No template says anything by itself: that would be English in every language.
func TestNoStrayText(t *testing.T) {
	// Actions; the class of a page; and an element that the tokenizer would take for text.
	action := regexp.MustCompile(`\{\{define "width"\}\} wide|\{\{.*?\}\}|</?noscript>`)
	letters := regexp.MustCompile(`\pL`)
	for name, source := range files(t, "*.html") {
		tokens := html.NewTokenizer(strings.NewReader(action.ReplaceAllString(string(source), "")))
		for kind := tokens.Next(); kind != html.ErrorToken; kind = tokens.Next() {
			token := tokens.Token()
			if kind == html.TextToken && letters.MatchString(token.Data) {
				t.Errorf("%s says %q", name, strings.TrimSpace(token.Data))
			}
			for _, a := range token.Attr {
				if slices.Contains([]string{"alt", "title", "aria-label", "placeholder", "value"}, a.Key) && letters.MatchString(a.Val) && a.Val != "allow" && a.Val != "deny" {
					t.Errorf("%s: %s=%q", name, a.Key, a.Val)
				}
			}
		}
	}
}

// What an error says in the code exists in every language, and nothing else does.
func TestErrorsAreTranslated(t *testing.T) {
	said := map[string]bool{}
	for _, dir := range []string{"..", "../web", "../protocol", "../browser", "../signout"} {
		names, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || name == "../admin.go" { // the console speaks English
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				for _, text := range errorTexts(n) {
					said[text] = true
				}
				return true
			})
		}
	}
	if len(said) < 50 {
		t.Fatalf("only %d texts were found", len(said))
	}
	for name, content := range catalogues(t) {
		if name == "locale/en.json" {
			continue
		}
		for _, text := range slices.Sorted(maps.Keys(said)) {
			if content.Errors[text] == "" {
				t.Errorf("%s has no translation of %q", name, text)
			}
		}
		for text := range content.Errors {
			if !said[text] {
				t.Errorf("%s translates %q, which nobody says", name, text)
			}
		}
	}
}

// errorTexts returns the texts of an error page that a piece of code holds.
func errorTexts(n ast.Node) []string {
	var texts []string
	take := func(e ast.Expr) {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && text != "" {
				texts = append(texts, text)
			}
		}
	}
	field := func(name string) bool { return slices.Contains([]string{"Title", "Message", "Outcome", "Hint"}, name) }
	switch n := n.(type) {
	case *ast.CompositeLit:
		name := ""
		switch kind := n.Type.(type) {
		case *ast.Ident:
			name = kind.Name
		case *ast.SelectorExpr:
			name = kind.Sel.Name
		}
		for _, e := range n.Elts {
			pair, ok := e.(*ast.KeyValueExpr)
			if !ok || name != "Error" {
				continue
			}
			if key, ok := pair.Key.(*ast.Ident); ok && field(key.Name) {
				take(pair.Value)
			}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"signInRefused", "signOutRefused", "nothingEnded"}, f.Name) {
			take(n.Args[0])
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if selector, ok := left.(*ast.SelectorExpr); ok && field(selector.Sel.Name) && len(n.Lhs) == len(n.Rhs) {
				take(n.Rhs[i])
			}
		}
	}
	return texts
}
