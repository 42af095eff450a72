package cli_test

import (
	"os"
	"strings"
	"testing"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// between returns what stands between two marks of a text.
func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, begin)
	inside, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("README.md lacks %q or what follows it", begin)
	}
	return inside
}

func TestREADMEListsEveryKey(t *testing.T) {
	table := between(t, readme(t), "<!-- reference begin: written by `make reference` -->\n", "<!-- reference end -->")
	r := run(t, nil, "config", "reference", "--markdown")
	r.check(t, 0, []string{"| `logout.wait` | `800ms` |"}, nil)
	if table != r.stdout {
		t.Error("the table of keys in README.md is not `exeunt config reference --markdown`; run `make reference`")
	}
}

// The file of the README is valid as it stands, and the one value that must not be used as it stands is warned of.
func TestREADMEConfiguration(t *testing.T) {
	path := write(t, "exeunt.yaml", between(t, readme(t), "```yaml\n", "```"))
	environ := []string{"EXEUNT_SECRETS=YvvHqtWlFsvEwmKqGGU1sKMD6mcgEYyLZKp9Dn7NDJM="}
	r := run(t, environ, "config", "check", "--config", path)
	r.check(t, 0, []string{"valid", "https://id.example.com", "1 client"}, []string{"warning: clients[0].client_secret: is short"})
	if n := strings.Count(r.stderr, "\n"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, r.stderr)
	}
}
