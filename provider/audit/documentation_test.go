package audit

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// docs/audit.md names every kind, and none that does not exist.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []Kind
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z_]+(?:\\.[a-z_]+)?`(?:, )?)+ \\|.*\\|.*\\|$").FindAllString(string(text), -1) {
		cell := regexp.MustCompile(`^\|[^|]*\|`).FindString(row)
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			documented = append(documented, Kind(name[1]))
		}
	}
	for _, kind := range Kinds() {
		if !slices.Contains(documented, kind) {
			t.Errorf("docs/audit.md has no row for %s", kind)
		}
	}
	for _, kind := range documented {
		if !slices.Contains(Kinds(), kind) {
			t.Errorf("docs/audit.md has a row for %s, which does not exist", kind)
		}
	}
}
