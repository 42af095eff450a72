package browser

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// AssetPrefix is the path under which assets are served.
const AssetPrefix = "/static/"

// Asset is one static file.
type Asset struct {
	Name        string // such as exeunt.css
	URL         string // path below the Base, with the content's hash, so that it may be cached for ever
	ContentType string
	Hash        string // first 16 hexadecimal digits of the content's SHA-256
	Body        []byte
	Anywhere    bool // pages of other sites may load it: the SDK
}

// sdk are the files that are made for pages of applications.
var sdk = []string{"exeunt.js", "exeunt.classic.js", "exeunt.d.ts"}

// Assets is the set of static files, read once. It is safe for concurrent use.
type Assets struct{ byName map[string]Asset }

// NewAssets reads all files in the top folder of files that a browser can use (by extension; sources of the program are left out).
func NewAssets(files fs.FS) (*Assets, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("browser: reading the static files: %w", err)
	}
	a := &Assets{byName: map[string]Asset{}}
	for _, entry := range entries {
		contentType := contentTypes(path.Ext(entry.Name()))
		if entry.IsDir() || contentType == "" {
			continue
		}
		body, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("browser: reading the static file %s: %w", entry.Name(), err)
		}
		sum := sha256.Sum256(body)
		hash := hex.EncodeToString(sum[:8])
		a.byName[entry.Name()] = Asset{
			Name: entry.Name(), URL: AssetPrefix + hash + "/" + entry.Name(), ContentType: contentType, Hash: hash, Body: body,
			Anywhere: slices.Contains(sdk, entry.Name()),
		}
	}
	return a, nil
}

// Find returns an asset by its name.
func (a *Assets) Find(name string) (Asset, bool) {
	asset, ok := a.byName[name]
	return asset, ok
}

// url is the template function "asset". An unknown name is a mistake in a template and fails the rendering.
func (a *Assets) url(name string) (string, error) {
	asset, ok := a.Find(name)
	if !ok {
		return "", fmt.Errorf("browser: no static file is called %q", name)
	}
	return asset.URL, nil
}

// contentTypes does not ask the system, whose tables differ from machine to machine.
func contentTypes(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".txt", ".ts":
		return "text/plain; charset=utf-8"
	default:
		return ""
	}
}
