package browser

import (
	"slices"
	"testing"

	"github.com/exeunt-id/exeunt/templates"
)

// Whatever languages somebody asks for, they get one that there is, and the first that they have alone if nothing of it can be read.
func FuzzChooseLanguage(f *testing.F) {
	c, err := readCatalogue(templates.FS)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("de en", "fr;q=0.9, de;q=0.8")
	f.Add("", "*")
	f.Add("x-", "de;q=NaN, \xff,;;q")
	f.Add("und-u-rg-dezzzz", "i-klingon, zh-cmn-Hans-CN")
	f.Fuzz(func(t *testing.T, uiLocales, acceptLanguage string) {
		if l := c.choose(uiLocales, acceptLanguage); !slices.Contains(c.languages, l) {
			t.Errorf("%q, %q: %v", uiLocales, acceptLanguage, l)
		}
	})
}
