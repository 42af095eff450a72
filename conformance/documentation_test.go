package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/conformance.md names every test of this package, and no test that does not exist.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	// Those of other packages are named with their package before them.
	for _, pattern := range []string{"*_test.go", "../cli/*_test.go", "../config/*_test.go", "../e2e/*_test.go", "../provider/*_test.go", "../provider/identity/*_test.go", "../provider/protocol/*_test.go", "../provider/realtime/*_test.go", "../provider/signing/*_test.go", "../logout/*_test.go", "../logout/logoutstore/*_test.go", "../rp/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range function.FindAllStringSubmatch(string(source), -1) {
				declared[m[1]] = true
				internal := m[1] == "TestMain" || m[1] == "TestDocumentation"
				if !strings.HasPrefix(file, "..") && !internal && !strings.Contains(string(page), "`"+m[1]+"`") {
					t.Errorf("docs/conformance.md does not name %s", m[1])
				}
			}
		}
	}
	for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(page), -1) {
		if !declared[m[1]] {
			t.Errorf("docs/conformance.md names %s, which does not exist", m[1])
		}
	}
}
