// Package static embeds the assets of the provider's pages, and the SDK for applications' pages: exeunt.js, an ES module, and
// exeunt.classic.js, the same for a plain script element, which is made of it (make sdk).
package static

import "embed"

// FS holds the assets.
//
//go:embed *.css *.js *.svg *.d.ts
var FS embed.FS
