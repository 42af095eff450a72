package static_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/static"
)

var exported = regexp.MustCompile(`(?m)^export (?:class|function) (\w+)`)

// classic makes the script for a plain script element of the module: the same text in a function, and what it exports as one global object.
func classic(module string) string {
	var names []string
	for _, m := range exported.FindAllStringSubmatch(module, -1) {
		names = append(names, m[1]+": "+m[1])
	}
	body := regexp.MustCompile(`(?m)^export `).ReplaceAllString(module, "")
	return "// Made of exeunt.js: make sdk.\n(function () {\n\"use strict\";\n" + body + "\nwindow.Exeunt = { " + strings.Join(names, ", ") + " };\n})();\n"
}

// The two scripts are one. With EXEUNT_SDK=write the classic one is written.
func TestClassicScript(t *testing.T) {
	module, err := os.ReadFile("exeunt.js")
	if err != nil {
		t.Fatal(err)
	}
	want := classic(string(module))
	if os.Getenv("EXEUNT_SDK") == "write" {
		if err := os.WriteFile("exeunt.classic.js", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("exeunt.classic.js")
	if err != nil || string(have) != want {
		t.Errorf("exeunt.classic.js is not made of exeunt.js as it is now: make sdk (%v)", err)
	}
	if strings.Contains(want, "import ") || strings.Contains(strings.ReplaceAll(want, "exported", ""), "\nexport ") {
		t.Error("the classic script has what only a module may have")
	}
}

// docs/sdk.md says how large the SDK is.
func TestSDKSize(t *testing.T) {
	module, err := static.FS.ReadFile("exeunt.js")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // a level that exists
	if _, err := w.Write(module); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../docs/sdk.md")
	if err != nil {
		t.Fatal(err)
	}
	size := fmt.Sprintf("%.1f KB, %.1f KB compressed", float64(len(module))/1000, float64(packed.Len())/1000)
	if !strings.Contains(string(guide), size) {
		t.Errorf("docs/sdk.md does not say that exeunt.js has %s", size)
	}
}
