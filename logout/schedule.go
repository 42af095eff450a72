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

	// longestAsked is how long the pauses become for a receiver that names shorter ones itself (RFC 9110, 10.2.3: the least that it wants). One
	// that says "in a second" each time would otherwise be told of every delivery each second, for days.
	longestAsked = 5 * time.Minute

	// rejectedRetry is the pause before an RP that called a token invalid is offered a fresh one.
	rejectedRetry = time.Minute
)

// A receiver whose breaker is open is probed after about 2 s, then each time twice as late, at most every two minutes: so late it hears at
// most, once it is back, of what it missed.
const (
	firstProbe   = 2 * time.Second
	longestProbe = 2 * time.Minute
	probeFactor  = 2
)

// backoff returns the time between the given attempt, counted from 1, and the next.
func backoff(attempt int) time.Duration {
	return jitter(grow(firstRetry, longestRetry, retryFactor, attempt-1))
}

// probeAt returns when a receiver is probed of which so many probes in a row have failed.
func probeAt(at time.Time, failures int) time.Time {
	return at.Add(jitter(grow(firstProbe, longestProbe, probeFactor, failures)))
}

// grow multiplies first by factor so many times, up to longest.
func grow(first, longest time.Duration, factor float64, times int) time.Duration {
	d := float64(first)
	for range times {
		if d *= factor; d >= float64(longest) {
			return longest
		}
	}
	return time.Duration(d)
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - retryJitter + 2*retryJitter*rand.Float64())) //nolint:gosec // not a secret
}

// leastChance is how long a redelivered message is tried at least: where nothing is retried, there would be no time for one attempt.
const leastChance = 10 * time.Minute

// AnotherChance returns how long a delivery is tried that somebody redelivers, for how long the others are.
func AnotherChance(retryFor time.Duration) time.Duration { return max(retryFor, leastChance) }
