package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/demo"
)

// A person, a real browser, a provider and three applications, each on a site of its own (*.localhost), so that cookies behave as on the
// internet.

// chromium returns a browser window, with further options. Where none is installed the test is skipped with a message, or fails if EXEUNT_TEST_REQUIRE is set.
func chromium(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("EXEUNT_TEST_REQUIRE") != "" {
			t.Fatal("no Chromium is installed")
		}
		t.Skip("SKIPPED, NOT TESTED IN A BROWSER: no Chromium is installed (Debian: apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true))
	options = append(options, more...)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox refuses root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	window, closeWindow := chromedp.NewContext(allocator)
	t.Cleanup(closeWindow)
	if err := chromedp.Do(window); err != nil { // starts the browser
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(window, 2*time.Minute)
	t.Cleanup(cancel)
	return limited
}

// theatre is the demo's apps at a provider process.
type theatre struct {
	*driver.Process
	apps []demo.Config
}

// newTheatre starts them. extra is added to the provider's configuration.
func newTheatre(t *testing.T, extra ...map[string]any) *theatre {
	t.Helper()
	port, err := driver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	th := &theatre{apps: demo.Apps()}
	listeners := make([]net.Listener, len(th.apps))
	var registered []map[string]any
	setup := driver.Setup{Binary: binary, Dir: t.TempDir(), Database: databasetest.SQLiteURL(t), Users: 2, Host: "id.localhost", Port: port}
	for i := range th.apps {
		app := &th.apps[i]
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		_, appPort, err := net.SplitHostPort(listeners[i].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		app.BaseURL = "http://" + app.ClientID + ".localhost:" + appPort
		app.Issuer = fmt.Sprintf("http://id.localhost:%d", port)
		app.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: dialLoopback}, Timeout: 10 * time.Second}
		registration := asMap(t, app.Registration())
		registration["backchannel_logout_uri"] = "http://127.0.0.1:" + appPort + "/backchannel-logout"
		registered = append(registered, registration)
	}
	demo.Connect(th.apps)
	setup.Registered = registered
	for _, more := range extra {
		setup.Extra = more
	}
	if th.Process, err = driver.Start(t.Context(), setup); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := th.Kill(); err != nil {
			t.Error(err)
		}
	})
	for i, cfg := range th.apps {
		app, err := demo.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- app.Start(ctx, listeners[i]) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil && !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
	}
	return th
}

// dialLoopback finds *.localhost without the help of a resolver, as browsers do.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
}

func asMap(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func do(t *testing.T, window context.Context, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(window, 15*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		at, _ := chromedp.Run(window, chromedp.Location())
		body, _ := chromedp.Run(window, chromedp.Evaluate[string]("document.body.innerText"))
		t.Fatalf("%s: %v (at %s: %.600s)", what, err, at, body)
	}
}

func id(name string) chromedp.CSS { return chromedp.CSS("#" + name) }

// state opens an app and reads whether it thinks that somebody is signed in.
func (th *theatre) state(t *testing.T, window context.Context, app int) string {
	t.Helper()
	do(t, window, "opening "+th.apps[app].Name, chromedp.Navigate(th.apps[app].BaseURL+"/"), chromedp.WaitVisible(id("state")))
	text, err := chromedp.Run(window, chromedp.Text(id("state")))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func (th *theatre) expect(t *testing.T, window context.Context, when string, want ...string) {
	t.Helper()
	for app, state := range want {
		if got := th.state(t, window, app); got != state {
			t.Errorf("%s: %s is %s, want %s", when, th.apps[app].Name, got, state)
		}
	}
}

const (
	in  = "signed-in"
	out = "signed-out"
)

// signIn logs in at the first app with name and password, and at the others silently: nobody is asked again.
func (th *theatre) signIn(t *testing.T, window context.Context) {
	t.Helper()
	th.state(t, window, 0)
	do(t, window, "signing in", chromedp.Click(id("login")), chromedp.WaitVisible(id("login-form")),
		chromedp.SendKeys(id("username"), "user-0"), chromedp.SendKeys(id("password"), driver.Password), chromedp.Click(id("login")), chromedp.WaitVisible(id("user")))
	for app := 1; app < len(th.apps); app++ {
		th.state(t, window, app)
		do(t, window, "signing in silently", chromedp.Click(id("login")), chromedp.WaitVisible(id("user")))
	}
	th.expect(t, window, "after signing in", in, in, in)
}

func (th *theatre) leave(t *testing.T, window context.Context, button string) {
	t.Helper()
	th.state(t, window, 0)
	do(t, window, "leaving by "+button, chromedp.Click(id(button)), chromedp.WaitVisible(id("login")))
	at, err := chromedp.Run(window, chromedp.Location())
	if err != nil || !strings.HasPrefix(at, th.apps[0].BaseURL+"/") {
		t.Errorf("after %s the browser is at %s (%v), want the app", button, at, err)
	}
}

func TestLogoutReachesEveryApp(t *testing.T) {
	window := chromium(t)
	th := newTheatre(t)
	for _, button := range []string{"logout-redirect", "logout-op"} {
		t.Run(button, func(t *testing.T) {
			th.signIn(t, window)
			th.leave(t, window, button)
			// The others have been told before the browser came back.
			th.expect(t, window, "after "+button, out, out, out)
			for app := 1; app < len(th.apps); app++ {
				th.state(t, window, app)
				do(t, window, "an app that was told says so", chromedp.WaitVisible(id("told")))
			}
			// And nobody is let in silently any more.
			th.state(t, window, 1)
			do(t, window, "signing in again asks for the password", chromedp.Click(id("login")), chromedp.WaitVisible(id("login-form")))
		})
	}
}

// The API logout is one app's own business.
func TestAPILogoutLeavesTheOthersAlone(t *testing.T) {
	window := chromium(t)
	th := newTheatre(t)
	th.signIn(t, window)
	th.leave(t, window, "logout-api")
	th.expect(t, window, "after the API logout", out, in, in)
	do(t, window, "the session lives: signing in again is silent", chromedp.Navigate(th.apps[0].BaseURL+"/"), chromedp.Click(id("login")), chromedp.WaitVisible(id("user")))
}

// A page that is open in another tab leaves by itself.
func TestOpenTabLeaves(t *testing.T) {
	window := chromium(t)
	th := newTheatre(t)
	th.signIn(t, window)
	tab, closeTab := chromedp.NewContext(window)
	defer closeTab()
	if err := chromedp.Do(tab); err != nil { // opens it
		t.Fatal(err)
	}
	th.state(t, tab, 1)
	th.leave(t, window, "logout-op")
	do(t, tab, "the open tab shows that it was told", chromedp.WaitVisible(id("told")))
}
