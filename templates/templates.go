// Package templates embeds the HTML of the provider's pages. Each file but layout.html fills its blocks; the data of each is the
// struct of the same name in provider/browser.
package templates

import "embed"

// FS holds the templates.
//
//go:embed *.html
var FS embed.FS
