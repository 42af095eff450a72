package logout

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestSignOf(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		want   sign
	}{
		{"acknowledged", nil, 200, signAlive},
		{"token refused", &RejectedError{}, 400, signAlive},
		{"another bad request", errors.New("400"), 400, signNone},
		{"too many requests", errors.New("429"), 429, signNone},
		{"asks to wait", &RetryError{After: time.Minute}, 503, signNone},
		{"unavailable", errors.New("503"), 503, signFailed},
		{"internal error there", errors.New("500"), 500, signFailed},
		{"not found", errors.New("404"), 404, signFailed},
		{"redirect", errors.New("302"), 302, signFailed},
		{"no answer", &NoAnswerError{Err: errors.New("refused")}, 0, signFailed},
		{"our own error", errors.New("signing"), 0, signNone},
	} {
		if got := signOf(test.err, test.status); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestProbeSchedule(t *testing.T) {
	at := time.Now()
	for failures, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 2 * time.Minute, 2 * time.Minute} {
		if got := probeAt(at, failures).Sub(at); got < want*4/5 || got > want*6/5 {
			t.Errorf("after %d failures: %s, want %s give or take a fifth", failures, got, want)
		}
	}
	if got := probeAt(at, 1_000_000).Sub(at); got > 2*time.Minute*6/5 {
		t.Errorf("a receiver that is down for ever is probed after %s", got)
	}
}

// The initiating client goes first, everybody has a lane before anybody has two, and nobody has more than may be in flight.
func TestLanes(t *testing.T) {
	var due []Delivery
	for _, client := range []string{"a", "b", "c"} {
		for range 12 {
			due = append(due, Delivery{ClientID: client, Channel: ChannelBackchannel})
		}
	}
	var got []string
	for _, l := range lanesOf(due, "b") {
		got = append(got, l.receiver.ClientID)
	}
	if len(got) != 3*maxInFlightPerRP || !slices.Equal(got[:3], []string{"b", "a", "c"}) || !slices.Equal(got[3:3+maxInFlightPerRP-1], slices.Repeat([]string{"b"}, maxInFlightPerRP-1)) {
		t.Errorf("lanes %v", got)
	}
}
