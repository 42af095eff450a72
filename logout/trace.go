package logout

import (
	"context"
	"net/http"
)

// Tracer follows logouts and attempts, so that traces can be made of them. What it puts into a context reaches everything that follows: first
// attempts have the context of their logout. Attempts made later, by jobs, have not: Delivery.LogoutID says to which logout they belong. Its methods
// are called on the way of every logout: they must be quick, fail silently, and be safe for concurrent use. done is called once.
type Tracer interface {
	// Ending is called when End begins. done is given what End returns.
	Ending(ctx context.Context, req Request) (_ context.Context, done func(out *Outcome, err error))

	// Attempting is called before an attempt. done is given the delivery as the attempt leaves it and the attempt; one that was broken off,
	// because the node stops, says nothing, and its Number is 0.
	Attempting(ctx context.Context, d Delivery) (_ context.Context, done func(d Delivery, a Attempt))

	// Inject may add headers to the request of an attempt, by which its receiver can go on with the trace. It changes no header that is there.
	Inject(ctx context.Context, h http.Header)
}

// untraced follows nothing.
type untraced struct{}

func (untraced) Ending(ctx context.Context, _ Request) (context.Context, func(*Outcome, error)) {
	return ctx, func(*Outcome, error) {}
}

func (untraced) Attempting(ctx context.Context, _ Delivery) (context.Context, func(Delivery, Attempt)) {
	return ctx, func(Delivery, Attempt) {}
}

func (untraced) Inject(context.Context, http.Header) {}
