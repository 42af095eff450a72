package logout

import (
	"math/rand/v2"
	"time"
)

// A delivery that failed is tried again after about 2 s, then each time two and a half times later, at most every four hours. Over 72
// hours that is some 27 attempts, eight of them in the first hour, when most outages end.
const (
	firstRetry   = 2 * time.Second
	longestRetry = 4 * time.Hour
	retryFactor  = 2.5
	retryJitter  = 0.2 // each pause is up to a fifth shorter or longer, so that what failed together does not return together

	// rejectedRetry is the pause before an RP that called a token invalid is offered a fresh one.
	rejectedRetry = time.Minute
	// stuckRetry is the pause before an RP that answers nobody is asked again for a delivery that was put off.
	stuckRetry = 5 * time.Second
)

// backoff returns the time between the given attempt, counted from 1, and the next.
func backoff(attempt int) time.Duration {
	d := float64(firstRetry)
	for range attempt - 1 {
		if d *= retryFactor; d >= float64(longestRetry) {
			d = float64(longestRetry)
			break
		}
	}
	return jitter(time.Duration(d))
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - retryJitter + 2*retryJitter*rand.Float64())) //nolint:gosec // not a secret
}
