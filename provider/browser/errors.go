package browser

import (
	"fmt"
	"net/http"
	"time"
)

// Error is a failure that a person can read. Handlers return it; one boundary turns it into the page "error". Texts never contain a
// secret nor the message of an inner layer: that is Err, for the log. They are in English; the page shows them in the person's language, by
// the "errors" of its file, where a test wants each of them.
type Error struct {
	Status     int           // HTTP status; 0 means 500
	Title      string        // what happened, in a few stable words
	Message    string        // what happened, in a sentence or two
	Args       []any         // names and values in turn: {name} in Message becomes the value
	Outcome    string        // what that means, a further sentence of Message; may be empty
	Hint       string        // what to do now; may be empty
	RetryAfter time.Duration // when trying again makes sense; 0: nothing is said
	Err        error         // the cause; logged, never shown
}

// Error returns status, title and cause, for the log.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%d %s", e.status(), e.Title)
	}
	return fmt.Sprintf("%d %s: %v", e.status(), e.Title, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusInternalServerError
	}
	return e.Status
}
