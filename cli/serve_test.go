package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/cli"
	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// patience is how long a test waits for what must happen soon.
const patience = 30 * time.Second

// process is a command that runs until it is told to end.
type process struct {
	stop           context.CancelFunc
	done           chan int // exit code
	stdout, stderr *transcript
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

func startWith(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &process{stop: cancel, done: make(chan int, 1), stdout: newTranscript(), stderr: newTranscript()}
	go func() {
		code := cli.Run(ctx, args, cli.Env{Stdout: p.stdout, Stderr: p.stderr, Environ: environ})
		p.stdout.end()
		p.stderr.end()
		p.done <- code
	}()
	t.Cleanup(func() {
		if code, err := p.end(); err != nil {
			t.Error(err)
		} else if code != 0 {
			t.Errorf("%v: exit code %d: %s", args, code, p.stderr)
		}
	})
	return p
}

// end asks for an orderly end and returns the exit code.
func (p *process) end() (int, error) {
	p.stop()
	select {
	case code := <-p.done:
		p.done <- code // for whoever asks again
		return code, nil
	case <-time.After(patience):
		return 0, fmt.Errorf("the command does not end: %s", p.stderr)
	}
}

// transcript keeps what a command writes, and lets a test wait for a part of it.
type transcript struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    bytes.Buffer
	ended   bool
}

func newTranscript() *transcript {
	w := &transcript{}
	w.changed = sync.NewCond(&w.mu)
	return w
}

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.changed.Broadcast()
	return w.text.Write(p)
}

func (w *transcript) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.changed.Broadcast()
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// line waits for a line that contains part.
func (w *transcript) line(t *testing.T, part string) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for line := range strings.Lines(w.text.String()) {
			if strings.Contains(line, part) && strings.HasSuffix(line, "\n") {
				return line
			}
		}
		if w.ended {
			t.Fatalf("the command ended without writing %q:\n%s", part, w.text.String())
		}
		w.changed.Wait()
	}
}

// configuration writes a file for a server on a free port and returns its path.
func configuration(t *testing.T, databaseURL, listen string) string {
	t.Helper()
	return write(t, "exeunt.yaml", fmt.Sprintf("issuer: http://localhost:8080\nlisten: %q\ndatabase: %q\nlog: {level: info}\n", listen, databaseURL))
}

// ready waits until a server is, and returns its address.
func (p *process) ready(t *testing.T) string {
	t.Helper()
	var entry struct{ Address, Issuer string }
	if err := json.Unmarshal([]byte(p.stderr.line(t, `"msg":"ready"`)), &entry); err != nil {
		t.Fatal(err)
	}
	if entry.Issuer != "http://localhost:8080" {
		t.Errorf("issuer %q", entry.Issuer)
	}
	return entry.Address
}

// get returns the body of a 200.
func get(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %s", url, res.Status, err, body)
	}
	return body
}

func TestServe(t *testing.T) {
	url := databasetest.SQLiteURL(t)
	first := start(t, "serve", "--config", configuration(t, url, "127.0.0.1:0"))
	at := first.ready(t)
	if log := first.stderr.String(); strings.Count(log, "published key") != 1 {
		t.Errorf("want one warning of the published key:\n%s", log)
	}
	var discovery struct{ Issuer string }
	if err := json.Unmarshal(get(t, "http://"+at+"/.well-known/openid-configuration"), &discovery); err != nil {
		t.Fatal(err)
	}
	if discovery.Issuer != "http://localhost:8080" {
		t.Errorf("discovery names the issuer %q", discovery.Issuer)
	}

	// A second one on the same file is refused by the file's name; an operator's command beside it is not.
	second := run(t, nil, "serve", "--config", configuration(t, url, "127.0.0.1:0"))
	second.check(t, 1, nil, []string{"another exeunt serves this SQLite file", strings.TrimPrefix(url, "sqlite:")})
	run(t, []string{"EXEUNT_DATABASE=" + url}, "delivery", "list").check(t, 0, []string{"No deliveries."}, nil)

	// Another database, the same port.
	run(t, nil, "serve", "--config", configuration(t, databasetest.SQLiteURL(t), at)).
		check(t, 1, nil, []string{"exeunt serve: listen " + at + ": the address is already in use", "change `listen`"})

	if code, err := first.end(); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if log := first.stderr.String(); !strings.Contains(log, `"msg":"ended"`) {
		t.Errorf("the log does not tell of the end:\n%s", log)
	}

	// The file and the port are free again.
	third := start(t, "serve", "--config", configuration(t, url, at))
	get(t, "http://"+third.ready(t)+"/healthz")
}

func TestServeAdminListener(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	file := configuration(t, databasetest.SQLiteURL(t), "127.0.0.1:0")
	run(t, []string{"EXEUNT_ADMIN_LISTEN=" + taken.Addr().String()}, "serve", "--config", file).
		check(t, 1, nil, []string{"the address is already in use", "change `admin_listen`"})

	// Its default may be taken: people are served all the same, and the operator is told. Elsewhere on this machine it may be taken already.
	if def, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", config.Default().AdminListen); err == nil {
		defer func() { _ = def.Close() }()
	}
	without := start(t, "serve", "--config", file)
	get(t, "http://"+without.ready(t)+"/healthz")
	without.stderr.line(t, "no admin listener")

	var entry struct {
		AdminAddress string `json:"admin_address"`
	}
	node := startWith(t, []string{"EXEUNT_ADMIN_LISTEN=127.0.0.1:0"}, "serve", "--config", configuration(t, databasetest.SQLiteURL(t), "127.0.0.1:0"))
	if err := json.Unmarshal([]byte(node.stderr.line(t, `"msg":"ready"`)), &entry); err != nil {
		t.Fatal(err)
	}
	get(t, "http://"+entry.AdminAddress+"/healthz")
	get(t, "http://"+entry.AdminAddress+"/readyz")
}

func TestServeOnPostgres(t *testing.T) {
	url := databasetest.PostgresURL(t)
	for range 2 { // any number of nodes
		node := start(t, "serve", "--config", configuration(t, url, "127.0.0.1:0"))
		get(t, "http://"+node.ready(t)+"/readyz")
	}
}

func TestDemo(t *testing.T) {
	folder := t.TempDir()
	demo := start(t, "demo", "--port", "0", "--admin-port", "0", "--app-port", "0", "--data", folder)
	demo.stdout.line(t, "Ctrl-C")
	text := demo.stdout.String()
	for _, part := range []string{"alice   password wonderland", "bob     password builder", "carol   password curtain-call, who may use the console", "Globe Tickets", "Rose Playbills", "Swan Wardrobe", folder} {
		if !strings.Contains(text, part) {
			t.Errorf("the text lacks %q:\n%s", part, text)
		}
	}
	urls := addresses(text)
	if len(urls) != 6 {
		t.Fatalf("want a provider, three apps, the account page and the console, got %v:\n%s", urls, text)
	}
	for _, url := range urls {
		get(t, url)
	}
	keys := get(t, urls[0]+"/keys")
	_, taken, err := net.SplitHostPort(strings.TrimPrefix(urls[0], "http://"))
	if err != nil {
		t.Fatal(err)
	}

	run(t, nil, "demo", "--port", "0", "--admin-port", "0", "--app-port", "0", "--data", folder).check(t, 1, nil, []string{"the demo is running already", folder, "--data"})
	run(t, nil, "demo", "--port", taken, "--admin-port", "0", "--app-port", "0", "--data", t.TempDir()).
		check(t, 1, nil, []string{"listen localhost:" + taken + ": the address is already in use", "change --port"})
	run(t, nil, "demo", "--port", "0", "--admin-port", taken, "--app-port", "0", "--data", t.TempDir()).
		check(t, 1, nil, []string{"localhost:" + taken, "change --admin-port"})
	run(t, nil, "demo", "--port", "0", "--admin-port", "0", "--app-port", taken, "--data", t.TempDir()).
		check(t, 1, nil, []string{"localhost:" + taken, "change --app-port"})

	began := time.Now()
	if code, err := demo.end(); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the demo's end took %v", took)
	}
	if log := demo.stderr.String(); log != "" {
		t.Errorf("the demo is not quiet:\n%s", log)
	}

	for _, test := range []struct {
		flags []string
		same  bool
	}{{nil, true}, {[]string{"--fresh"}, false}} {
		again := start(t, append([]string{"demo", "--port", taken, "--admin-port", "0", "--app-port", "0", "--data", folder}, test.flags...)...)
		again.stdout.line(t, "Ctrl-C")
		if same := bytes.Equal(keys, get(t, urls[0]+"/keys")); same != test.same {
			t.Errorf("%v: the keys of the first start are kept: %v", test.flags, same)
		}
		if _, err := again.end(); err != nil {
			t.Fatal(err)
		}
	}
}

// addresses returns every http URL of a text without its trailing slash or comma.
func addresses(text string) []string {
	var found []string
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "http://") {
			found = append(found, strings.TrimRight(word, "/,"))
		}
	}
	return found
}
