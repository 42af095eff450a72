package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/cli"
)

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command that ends by itself.
func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), args, cli.Env{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Environ: environ})
	return result{code, stdout.String(), stderr.String()}
}

// check compares the exit code and looks for parts of both outputs.
func (r result) check(t *testing.T, code int, stdout, stderr []string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for name, output := range map[string]struct {
		text string
		want []string
	}{"stdout": {r.stdout, stdout}, "stderr": {r.stderr, stderr}} {
		if len(output.want) == 0 && output.text != "" {
			t.Errorf("%s is not empty: %s", name, output.text)
		}
		for _, part := range output.want {
			if !strings.Contains(output.text, part) {
				t.Errorf("%s lacks %q:\n%s", name, part, output.text)
			}
		}
	}
}

// write makes a file with the content in a folder of the test.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args           string
		code           int
		stdout, stderr []string
	}{
		{"", 0, []string{"Usage:\n  exeunt COMMAND", "serve", "demo", "migrate", "delivery", "config", "version"}, nil},
		{"--help", 0, []string{"Commands:"}, nil},
		{"help", 0, []string{"Commands:"}, nil},
		{"help delivery retry", 0, []string{"exeunt delivery retry [FLAGS] [ID...]", "--since TIME", "Example:"}, nil},
		{"serve -h", 0, []string{"--config FILE", "exeunt serve --config exeunt.yaml"}, nil},
		{"delivery", 0, []string{"list", "show", "retry"}, nil},
		{"version", 0, []string{"exeunt development (go"}, nil},
		{"leave", 2, nil, []string{`exeunt: unknown command "leave"; the commands are serve, demo`, "exeunt --help"}},
		{"help leave", 2, nil, []string{`unknown command "leave"`}},
		{"delivery drop", 2, nil, []string{`exeunt delivery: unknown command "drop"; the commands are list, show, retry`}},
		{"serve now", 2, nil, []string{`exeunt serve: unexpected argument "now"`}},
		{"serve --colour", 2, nil, []string{"-colour", "exeunt serve --help"}},
		{"demo --port 70000", 2, nil, []string{"port is out of range"}},
		{"delivery list --state gone", 2, nil, []string{`--state "gone"`, "pending, retrying, delivered, rejected, dead, unconfirmed, unreachable, superseded"}},
		{"delivery list --since yesterday", 2, nil, []string{`--since "yesterday"`, "24h"}},
		{"delivery list --limit 0", 2, nil, []string{"--limit 0"}},
		{"delivery show", 2, nil, []string{"name one delivery by its id"}},
		{"delivery retry", 2, nil, []string{"nothing is chosen"}},
		{"delivery retry --state delivered", 2, nil, []string{"dead, rejected, retrying"}},
		{"delivery retry 0192f3c4 --client shop", 2, nil, []string{"give one of them"}},
		{"delivery list --config nowhere.yaml", 1, nil, []string{"nowhere.yaml", "give the path of a readable file"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			run(t, nil, strings.Fields(test.args)...).check(t, test.code, test.stdout, test.stderr)
		})
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatIsLostIsAFailure(t *testing.T) {
	var stderr bytes.Buffer
	code := cli.Run(context.Background(), []string{"config", "reference"}, cli.Env{Stdout: fullDisk{}, Stderr: &stderr})
	if code != 1 || !strings.Contains(stderr.String(), "no space left on device") {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
}

func TestConfigCheck(t *testing.T) {
	t.Run("valid", func(t *testing.T) {
		path := write(t, "exeunt.yaml", "database: postgres://exeunt:hunter2@db/exeunt\nusers: [{username: alice, password: wonderland}]\n")
		r := run(t, []string{"EXEUNT_ISSUER=http://localhost:9000"}, "config", "check", "--config", path)
		r.check(t, 0, []string{"valid", "issuer http://localhost:9000", "1 user,", "0 clients"}, nil)
		if strings.Contains(r.stdout+r.stderr, "hunter2") {
			t.Errorf("the output shows a password: %s%s", r.stdout, r.stderr)
		}
	})
	t.Run("with a warning", func(t *testing.T) {
		path := write(t, "exeunt.yaml", `clients:
  - client_id: shop
    client_secret: a-secret-that-is-long-enough-for-this
    redirect_uris: [http://localhost/callback]
    backchannel_logout_uri: http://10.0.0.1/logout
`)
		run(t, nil, "config", "check", "--config", path).check(t, 0, []string{"valid"}, []string{"warning: clients[0].backchannel_logout_uri: ", "allow_private_network"})
	})
	t.Run("all problems at once", func(t *testing.T) {
		path := write(t, "exeunt.yaml", "isuer: https://id.example.com\nlogout: {wait: 800}\n")
		r := run(t, []string{"EXEUNT_LISTN=:80"}, "config", "check", "--config", path)
		r.check(t, 1, nil, []string{"\n  line 1, isuer: ", "did you mean issuer?", "\n  line 2, logout.wait: ", "\n  EXEUNT_LISTN: "})
	})
}

func TestReference(t *testing.T) {
	run(t, nil, "config", "reference").check(t, 0, []string{"KEY ", "logout.retry_for ", " 72h ", "clients[].backchannel_logout_uri "}, nil)
}
