// Package templates embeds the HTML of the provider's pages and of its console. Each file but layout.html fills its blocks; the data of each
// is the struct of the same name in provider/browser or provider/console.
package templates

import (
	"embed"
	"io/fs"
)

// FS holds the templates of the pages that everybody sees, and what they say: locale/*.json, one file per language, named by its tag (BCP 47).
// Another language is another file, with every text that English has.
//
//go:embed *.html locale/*.json
var FS embed.FS

//go:embed console/*.html
var console embed.FS

// Console returns the templates of the console, which have a layout of their own.
func Console() fs.FS {
	sub, err := fs.Sub(console, "console")
	if err != nil {
		panic(err) // the name is a constant, and valid
	}
	return sub
}
