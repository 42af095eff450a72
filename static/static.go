// Package static embeds the assets of the provider's pages.
package static

import "embed"

// FS holds the assets.
//
//go:embed *.css *.js *.svg
var FS embed.FS
