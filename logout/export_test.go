package logout

import "context"

// Messenger is a channel of a test: it plans one delivery for each event and client that it wants.
type Messenger struct {
	Notifier
	Name  Channel
	Wants func(e Event, c Client) bool
}

func (m Messenger) plan(context.Context, *Plan, Participation, Client) ([]Delivery, error) {
	return nil, nil
}

func (m Messenger) announce(_ context.Context, plan *Plan, event Event, client Client) ([]Delivery, error) {
	if !m.Wants(event, client) {
		return nil, nil
	}
	return []Delivery{plan.message(m.Name, event, client.ID)}, nil
}

// Add gives the engine a channel more.
func (e *Engine) Add(m Messenger) { e.add(m.Name, m) }
