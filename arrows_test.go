package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/exeunt-id/exeunt"

// arrows lists for every package of ours, by its path below the module, the packages of ours that it may import outside of tests.
// Everything else is forbidden. A new package needs a row; CONTRIBUTING.md explains the rooms.
var arrows = map[string][]string{
	"":    {"cli"},
	"cli": {"config", "provider", "provider/audit", "provider/identity", "provider/mail", "provider/place", "provider/trace", "logout", "logout/logoutstore", "database", "demo", "doctor"},

	"provider": {
		"provider/protocol", "provider/web", "provider/console", "provider/signout", "provider/browser", "provider/identity", "provider/store", "provider/signing",
		"provider/alert", "provider/audit", "provider/device", "provider/mail", "provider/metrics", "provider/realtime", "provider/trace",
		"logout", "logout/logoutstore", "database", "templates", "static",
	},
	// The two kinds of endpoints meet only by URL. Neither knows how anything is stored.
	"provider/protocol": {"provider/audit", "provider/device", "provider/signout", "provider/browser", "provider/identity", "logout"},
	"provider/web":      {"provider/audit", "provider/device", "provider/signout", "provider/browser", "provider/identity", "logout"},
	"provider/console":  {"provider/audit", "provider/signout", "provider/browser", "provider/identity", "logout"},
	"provider/realtime": {"provider/signout", "provider/browser", "provider/identity", "logout"},
	"provider/signout":  {"provider/browser", "logout"},
	"provider/store":    {"provider/alert", "provider/audit", "provider/mail", "provider/metrics", "provider/identity", "provider/signing", "logout", "logout/logoutstore", "database"},
	"provider/audit":    {"logout"},
	"provider/device":   {"provider/audit", "provider/identity", "logout"},
	"provider/alert":    {"provider/identity", "provider/mail"},
	"provider/mail":     {},
	"provider/metrics":  {"logout"},
	"provider/trace":    {"logout"},
	"provider/signing":  {"provider/identity"},
	"provider/place":    {"provider/identity"},
	"provider/browser":  {},
	"provider/identity": {},

	"provider/mail/mailtest": {},

	// The engine serves other providers too, so it must not know this one.
	"logout":             {},
	"logout/logoutstore": {"logout", "database"},
	"logout/logouttest":  {"logout"},

	"database":              {"migrations"},
	"database/databasetest": {"database"},

	"demo":      {"rp"},
	"doctor":    {},
	"rp":        {},
	"rp/rptest": {"rp"},
	// The database is the application's, and the interface is met by shape.
	"rp/sqlstore": {},
	"config":      {},
	"templates":   {},
	"static":      {},
	"migrations":  {},

	"examples/minimal-rp": {"rp"},
	"examples/native":     {},
	"examples/extension":  {"logout", "logout/logoutstore", "database"},

	// They examine the program from outside.
	"bench":        {"bench/driver", "database"}, // what would take hours to bring about is written there
	"bench/driver": {},
	"e2e":          {"bench/driver"},
	"conformance":  {},
}

// walls lists the libraries that only some rooms may know.
var walls = []struct {
	name    string
	modules []string // prefixes of import paths
	rooms   []string // paths below the module; "x/..." means x and all below
}{
	{name: "Centrifuge", modules: []string{"github.com/centrifugal"}, rooms: []string{"provider/realtime"}},
	{name: "Echo", modules: []string{"github.com/labstack/echo"}, rooms: []string{"provider/...", "demo"}},
	{name: "gorm", modules: []string{"gorm.io", "github.com/libtnb/sqlite"}, rooms: []string{"database", "provider/store", "logout/logoutstore"}},
	{name: "Prometheus", modules: []string{"github.com/prometheus"}, rooms: []string{"provider/metrics"}},
	{name: "OpenTelemetry", modules: []string{"go.opentelemetry.io"}, rooms: []string{"provider/trace"}},
	{name: "River", modules: []string{"github.com/riverqueue"}, rooms: []string{"database", "logout/logoutstore"}},
}

func TestArrows(t *testing.T) {
	packages, err := listPackages(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < len(arrows)/2 {
		t.Fatalf("go list found %d packages only; is this the root of the module?", len(packages))
	}
	for _, violation := range violations(packages) {
		t.Error(violation)
	}
}

// TestArrowsAreSeen gives the checker what it must refuse, so that its silence means something.
func TestArrowsAreSeen(t *testing.T) {
	for _, test := range []struct {
		name string
		pkg  goPackage
		want string // part of the only violation; empty for none
	}{
		{"an arrow of the table", goPackage{module + "/provider/store", []string{"context", module + "/logout", "gorm.io/gorm"}}, ""},
		{"the engine knows the provider", goPackage{module + "/logout", []string{module + "/provider/identity"}}, "logout imports provider/identity"},
		{"the engine knows Echo", goPackage{module + "/logout", []string{"github.com/labstack/echo/v4"}}, "logout imports github.com/labstack/echo/v4: Echo"},
		{"endpoints know each other", goPackage{module + "/provider/web", []string{module + "/provider/protocol"}}, "provider/web imports provider/protocol"},
		{"endpoints know the store", goPackage{module + "/provider/protocol", []string{module + "/provider/store"}}, "provider/protocol imports provider/store"},
		{"the provider below reads the configuration", goPackage{module + "/provider", []string{module + "/config"}}, "provider imports config"},
		{"a leaf imports something", goPackage{module + "/rp", []string{module + "/logout"}}, "rp imports logout"},
		{"gorm leaves its rooms", goPackage{module + "/provider", []string{"gorm.io/gorm"}}, "provider imports gorm.io/gorm: gorm"},
		{"River in the provider's store", goPackage{module + "/provider/store", []string{"github.com/riverqueue/river"}}, "River"},
		{"Echo in a room of the provider", goPackage{module + "/provider/web", []string{"github.com/labstack/echo/v4"}}, ""},
		{"a name that only begins like a module's", goPackage{module + "/rp", []string{"gorm.iox/y"}}, ""},
		{"a package without a row", goPackage{module + "/util", nil}, "util has no row"},
		{"main imports more than the command line", goPackage{module, []string{module + "/config"}}, "main imports config"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := violationsOf(test.pkg)
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("violations %q, want %q", got, test.want)
			}
		})
	}
	if got := violations(nil); len(got) != len(arrows) {
		t.Errorf("%d violations without any package, want one for each of the %d rows", len(got), len(arrows))
	}
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath string
	Imports    []string // not those of tests
}

func listPackages(t *testing.T) ([]goPackage, error) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("go list: %w: %s", err, exit.Stderr)
		}
		return nil, err
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// violations returns every forbidden import, and every row of the table whose package does not exist.
func violations(packages []goPackage) []string {
	var all []string
	exists := map[string]bool{}
	for _, p := range packages {
		room, _ := below(p.ImportPath)
		exists[room] = true
		all = append(all, violationsOf(p)...)
	}
	for room := range arrows {
		if !exists[room] {
			all = append(all, fmt.Sprintf("%s has a row in the table of arrows but does not exist; remove the row", title(room)))
		}
	}
	slices.Sort(all)
	return all
}

func violationsOf(p goPackage) []string {
	room, _ := below(p.ImportPath)
	allowed, ok := arrows[room]
	if !ok {
		return []string{fmt.Sprintf("%s has no row in the table of arrows; add one", title(room))}
	}
	var found []string
	for _, path := range p.Imports {
		if to, ours := below(path); ours && !slices.Contains(allowed, to) {
			found = append(found, fmt.Sprintf("%s imports %s: there is no such arrow", title(room), title(to)))
		}
		for _, wall := range walls {
			if slices.ContainsFunc(wall.modules, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") }) &&
				!slices.ContainsFunc(wall.rooms, func(r string) bool { return inRoom(room, r) }) {
				found = append(found, fmt.Sprintf("%s imports %s: %s is for %s only", title(room), path, wall.name, strings.Join(wall.rooms, ", ")))
			}
		}
	}
	return found
}

// below returns the path of a package of ours below the module.
func below(path string) (room string, ours bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func inRoom(room, pattern string) bool {
	base, all := strings.CutSuffix(pattern, "/...")
	return room == base || all && strings.HasPrefix(room, base+"/")
}

func title(room string) string {
	if room == "" {
		return "main"
	}
	return room
}
