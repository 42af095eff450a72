package logout

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Back-Channel Logout 1.0, 2.8, and what stands between a provider and a relying party: which answers settle a delivery, and how.
func TestVerdict(t *testing.T) {
	const invalid = `{"error":"invalid_request"}`
	for _, test := range []struct {
		name       string
		status     int
		header     http.Header
		body       string
		rejections int
		want       State
		pauseMin   time.Duration
		pauseMax   time.Duration
	}{
		{name: "200", status: 200, want: StateDelivered},
		{name: "204 of a framework", status: 204, want: StateDelivered},
		{name: "202", status: 202, want: StateDelivered},
		{name: "redirect", status: 302, header: http.Header{"Location": {"https://login.example/"}}, want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "404 during a roll-out", status: 404, want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "401 of a gateway", status: 401, want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "410", status: 410, want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "503", status: 503, want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "503 with a time", status: 503, header: http.Header{"Retry-After": {"120"}}, want: StateRetrying, pauseMin: 2 * time.Minute, pauseMax: 2 * time.Minute},
		{name: "429 with a date", status: 429, header: http.Header{"Retry-After": {"Sun, 06 Nov 1994 08:59:37 GMT"}}, want: StateRetrying, pauseMin: 10 * time.Minute, pauseMax: 10 * time.Minute},
		{name: "429 with an absurd time", status: 429, header: http.Header{"Retry-After": {"999999999"}}, want: StateRetrying, pauseMin: 4 * time.Hour, pauseMax: 4 * time.Hour},
		{name: "429 with nonsense", status: 429, header: http.Header{"Retry-After": {"soon"}}, want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "400 of a proxy", status: 400, body: "<html>Bad Request</html>", want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "400 of another kind", status: 400, header: jsonHeader(), body: `{"error":"invalid_client"}`, want: StateRetrying, pauseMax: 3 * time.Second},
		{name: "first invalid_request", status: 400, header: jsonHeader(), body: invalid, want: StateRetrying, pauseMin: time.Minute, pauseMax: time.Minute},
		{name: "second invalid_request", status: 400, header: jsonHeader(), body: invalid, rejections: 1, want: StateRejected},
		{name: "outage between two refusals", status: 500, rejections: 1, want: StateRetrying, pauseMax: 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
			rec := httptest.NewRecorder()
			for name, values := range test.header {
				rec.Header()[name] = values
			}
			rec.WriteHeader(test.status)
			res := rec.Result()
			defer func() { _ = res.Body.Close() }()
			err := judge(res, []byte(test.body), now)
			attempt := &Attempt{Number: 1, At: now}
			state, rejections, next := verdict(Delivery{Rejections: test.rejections, GiveUpAt: now.Add(72 * time.Hour)}, err, attempt)
			if state != test.want {
				t.Fatalf("state %s (%v), want %s", state, err, test.want)
			}
			if wait := next.Sub(now); state == StateRetrying && (wait < test.pauseMin || wait > test.pauseMax) {
				t.Errorf("next attempt after %s, want %s to %s", wait, test.pauseMin, test.pauseMax)
			}
			if state == StateRetrying && test.body != invalid && rejections != 0 {
				t.Errorf("%d rejections are counted after an answer that is none", rejections)
			}
		})
	}
}

// A receiver that asks to be tried again in a second, each time, is tried less and less often, but more often than one that says nothing.
func TestVerdictOfImpatientReceiver(t *testing.T) {
	now := time.Now()
	for attempt, want := range map[int][2]time.Duration{1: {time.Second, 3 * time.Second}, 4: {20 * time.Second, 40 * time.Second}, 20: {5 * time.Minute, 5 * time.Minute}} {
		_, _, next := verdict(Delivery{GiveUpAt: now.Add(72 * time.Hour)}, &RetryError{After: time.Second}, &Attempt{Number: attempt, At: now})
		if wait := next.Sub(now); wait < want[0] || wait > want[1] {
			t.Errorf("attempt %d: the next one after %s, want %s to %s", attempt, wait, want[0], want[1])
		}
	}
}

func jsonHeader() http.Header {
	return http.Header{"Content-Type": {"application/json; charset=utf-8"}}
}

func TestVerdictGivesUp(t *testing.T) {
	now := time.Now()
	giveUp := now.Add(time.Second)
	state, _, next := verdict(Delivery{GiveUpAt: giveUp}, errors.New("down"), &Attempt{Number: 1, At: now})
	if state != StateRetrying || !next.Equal(giveUp) {
		t.Errorf("%s until %s; want one more attempt when the time is up", state, next)
	}
	if state, _, _ = verdict(Delivery{GiveUpAt: giveUp}, errors.New("down"), &Attempt{Number: 2, At: next}); state != StateDead {
		t.Errorf("state %s when the time is up, want dead", state)
	}
}

// The schedule must cover three days with few attempts, most of them early.
func TestBackoff(t *testing.T) {
	var total time.Duration
	attempts, firstHour := 1, 1
	for total < 72*time.Hour {
		d := backoff(attempts)
		if d < time.Second || d > longestRetry*6/5 {
			t.Fatalf("pause after attempt %d is %s", attempts, d)
		}
		total += d
		attempts++
		if total < time.Hour {
			firstHour++
		}
	}
	if attempts < 22 || attempts > 35 || firstHour < 7 {
		t.Errorf("%d attempts in 72 hours, %d in the first; want about 27 and 8", attempts, firstHour)
	}
	if backoff(1<<30) > longestRetry*6/5 {
		t.Error("the pause overflows")
	}
}

func TestSnippet(t *testing.T) {
	got := snippet([]byte("a\x00b\x1b[31mc\xff" + strings.Repeat("x", maxAnswer)))
	if !strings.HasPrefix(got, "ab[31mcxxx") || len(got) > maxSnippet {
		t.Errorf("snippet = %q", got[:min(len(got), 40)])
	}
	if got := snippet([]byte(`{"error":"bad token eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl-_x"}`)); got != `{"error":"bad token eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.*"}` {
		t.Errorf("a token that comes back is kept as %s", got)
	}
}
