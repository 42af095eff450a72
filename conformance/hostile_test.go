package conformance

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// hostileFor is how long the hostile run lasts on each database; EXEUNT_HOSTILE=5m makes it longer.
func hostileFor(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("EXEUNT_HOSTILE"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("EXEUNT_HOSTILE: %v", err)
		}
		return d
	}
	return 2 * time.Second
}

// mallory makes up requests out of good values, nasty ones and what the provider gave away.
type mallory struct {
	*rand.Rand
	loot *loot
}

// loot is what answers and honest flows left lying about: codes, tokens, ids, sealed requests. The newest of each run are kept.
type loot struct {
	mu     sync.Mutex
	values []string
}

func (l *loot) add(values ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range values {
		if v != "" {
			l.values = append(l.values, v)
		}
	}
	l.values = l.values[max(0, len(l.values)-200):]
}

func (l *loot) pick(r *rand.Rand) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.values) == 0 {
		return ""
	}
	return l.values[r.IntN(len(l.values))]
}

var decoys = []string{
	"shop", "wiki", "mail", "app", "phone", "strict", "batch", "plain", callback("shop"), callback("app"), bye("shop"), "code", "openid",
	"openid profile offline_access", "none", "login", "consent", "select_account", "form_post", "query", "S256", challenge(), verifier, secret, "authorization_code",
	"refresh_token", "alice", "wonderland", "bob", "builder", "allow", "deny", "0", "1", "s",
}

func (m *mallory) value() string {
	switch m.IntN(10) {
	case 0, 1:
		return nasty[m.IntN(len(nasty))]
	case 2, 3, 4:
		return m.loot.pick(m.Rand)
	case 5:
		return mutate(m.Rand, m.loot.pick(m.Rand))
	case 6:
		return mutate(m.Rand, decoys[m.IntN(len(decoys))])
	default:
		return decoys[m.IntN(len(decoys))]
	}
}

// mutate changes a few bytes.
func mutate(r *rand.Rand, s string) string {
	b := []byte(s)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		switch r.IntN(3) {
		case 0:
			b = append(b[:at:at], append([]byte{byte(r.IntN(256))}, b[at:]...)...)
		case 1:
			b = b[:at]
		default:
			if at < len(b) {
				b[at] ^= byte(1 << r.IntN(8))
			}
		}
	}
	return string(b)
}

// sensible gives the parameters that lead deep into an endpoint.
func (m *mallory) sensible(name string) string {
	good := map[string]string{
		"client_id": "shop", "redirect_uri": callback("shop"), "response_type": "code", "scope": "openid", "code_challenge": challenge(),
		"code_challenge_method": "S256", "code_verifier": verifier, "post_logout_redirect_uri": bye("shop"),
	}[name]
	if good == "" || m.IntN(6) == 0 {
		return m.value()
	}
	return good
}

// request makes one up.
func (m *mallory) request(issuer string) *http.Request {
	e := endpoints()[m.IntN(len(endpoints()))]
	form := url.Values{}
	for _, name := range e.parameters {
		for m.IntN(3) > 0 && len(form[name]) < 2 {
			form.Add(name, m.sensible(name))
			if m.IntN(20) > 0 {
				break
			}
		}
	}
	method, target, body := http.MethodGet, issuer+e.path, ""
	if m.IntN(2) == 0 {
		method, body = http.MethodPost, form.Encode()
	} else if len(form) > 0 {
		target += "?" + form.Encode()
	}
	if m.IntN(30) == 0 {
		method = []string{"HEAD", "PUT", "OPTIONS", "DELETE", "TRACE"}[m.IntN(5)]
	}
	if m.IntN(20) == 0 {
		body = mutate(m.Rand, body)
	}
	r, err := http.NewRequest(method, target, strings.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		return nil
	}
	r.Header.Set("Content-Type", formType)
	if m.IntN(3) > 0 {
		for name, v := range navigating {
			r.Header[name] = v
		}
		r.Header.Set("Sec-Fetch-Site", []string{"none", "cross-site", "same-origin", "same-site"}[m.IntN(4)])
	}
	switch m.IntN(4) {
	case 0:
		r.SetBasicAuth("shop", url.QueryEscape(secret))
	case 1:
		r.Header.Set("Authorization", "Bearer "+headerSafe(m.value()))
	}
	return r
}

func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// Some hundred thousand requests a minute over every endpoint, from browsers with sessions and programs without: no failure of ours, no
// panic, no goroutine left behind, and honest people get through all the while.
func TestRobust_HostileRun(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
		t.Logf("seed %d", seed)
		w := openOn(t, db, "http")
		before := settled(w)
		treasure := &loot{}
		var sent, failures atomic.Int64
		statuses := [6]atomic.Int64{}
		until := time.Now().Add(hostileFor(t))
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				m := &mallory{Rand: rand.New(rand.NewPCG(seed, uint64(worker))), loot: treasure} //nolint:gosec // to be repeated, not secret
				browser := w.browser()
				for n := 0; time.Now().Before(until) && failures.Load() < 10; n++ {
					if n%200 == 0 {
						browser = w.browser()
					}
					r := m.request(w.issuer)
					if r == nil {
						continue
					}
					client := browser.client
					if m.IntN(3) == 0 {
						client = w.program().client
					}
					response, err := client.Do(r)
					if err != nil {
						continue // a redirect that cannot be parsed, or one too many
					}
					var body bytes.Buffer
					_, err = body.ReadFrom(response.Body)
					_ = response.Body.Close()
					sent.Add(1)
					statuses[response.StatusCode/100].Add(1)
					if err == nil && response.StatusCode >= 500 && response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusNotImplemented {
						failures.Add(1)
						t.Errorf("%s %.500s: status %d\n%.500s", r.Method, r.URL, response.StatusCode, body.String())
					}
					treasure.add(found(response, body.String())...)
				}
			})
		}
		honest := 0
		for time.Now().Before(until) {
			alice := w.browser()
			got := alice.firstSignOn("wiki", "carol")
			if !w.active("wiki", got.access) {
				t.Error("a fresh token is dead")
			}
			treasure.add(got.access, got.refresh, got.id, alice.get("/authorize", request("shop")).code())
			if honest%2 == 0 {
				alice.get("/logout", values("client_id", "wiki")).want(200)
				if w.told(got.id) != 1 {
					t.Error("an honest logout was not told")
				}
			}
			honest++
		}
		group.Wait()
		t.Logf("%d requests (2xx %d, 3xx %d, 4xx %d, 5xx %d), %d honest flows", sent.Load(), statuses[2].Load(), statuses[3].Load(), statuses[4].Load(), statuses[5].Load(), honest)
		if sent.Load() < 100 || honest == 0 || statuses[2].Load() == 0 || statuses[3].Load() == 0 {
			t.Error("the run examined nothing")
		}
		// What ran for a request ends with it; deliveries may take a moment. The queue's own upkeep, which starts when a node is elected
		// for it, is some fifteen goroutines whatever the load, and on a busy machine the provider of the other tests may be elected meanwhile, too;
		// one for each request would be thousands.
		leaked := 0
		for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
			if leaked = settled(w) - before; leaked <= 50 {
				return
			}
			runtime.Gosched()
		}
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			t.Error(err)
		}
		t.Errorf("%d goroutines more than before:\n%.6000s", leaked, stacks.String())
	})
}

// settled counts goroutines without those of idle connections.
func settled(w *world) int {
	w.program().get("/healthz", nil)
	(&http.Client{Transport: w.transport}).CloseIdleConnections()
	runtime.GC()
	return runtime.NumGoroutine()
}

// found takes out of an answer what may be of use.
func found(response *http.Response, body string) []string {
	var values []string
	if to, err := url.Parse(response.Header.Get("Location")); err == nil {
		for _, name := range []string{"code", "id", "kept"} {
			values = append(values, to.Query().Get(name))
		}
	}
	if response.Request != nil {
		values = append(values, response.Request.URL.Query().Get("id"))
	}
	for _, name := range []string{"csrf", "kept"} {
		if _, after, ok := strings.Cut(body, `name="`+name+`" value="`); ok {
			value, _, _ := strings.Cut(after, `"`)
			values = append(values, value)
		}
	}
	return values
}

// FuzzEndpoint gives any endpoint any query, body and content type, without a network between.
func FuzzEndpoint(f *testing.F) {
	sharedOnce.Do(func() { sharedPlace, errShared = openShared() })
	if errShared != nil {
		f.Fatal(errShared)
	}
	for i, e := range endpoints() {
		for _, name := range e.parameters {
			f.Add(uint8(i), true, name+"=x", "", formType)                                          //nolint:gosec // few endpoints
			f.Add(uint8(i), false, "", name+"=%00&client_id=shop&"+name+"=%ff", formType)           //nolint:gosec // few endpoints
			f.Add(uint8(i), false, request("shop").Encode(), name+"=x", "application/json; a=\x00") //nolint:gosec // few endpoints
		}
	}
	f.Fuzz(func(t *testing.T, endpoint uint8, get bool, query, body, contentType string) {
		e := endpoints()[int(endpoint)%len(endpoints())]
		method := http.MethodPost
		if get {
			method = http.MethodGet
		}
		r := httptest.NewRequest(method, e.path, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		for name, v := range navigating {
			r.Header[name] = v
		}
		rec := httptest.NewRecorder()
		seen := sharedPlace.log.mark()
		sharedPlace.provider.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("%s %s?%q %q: status %d", method, e.path, query, body, rec.Code)
		}
		sharedPlace.log.check(t, seen)
	})
}
