package logout

import "time"

// Ending says that a session, or one client's part in it, has ended. It is what an open page is told.
type Ending struct {
	SessionID string
	SID       string // of the one client that left a session that lives on; empty: the session itself has ended
	Cause     Cause  // empty when it is not known
	At        time.Time
}

// Endings returns what the plan ends. Its deliveries tell relying parties; these are for what is connected to the provider.
func (p *Plan) Endings() []Ending {
	if p.Request.Target.OnlyParticipation {
		left := make([]Ending, len(p.Leaving))
		for i, part := range p.Leaving {
			left[i] = Ending{SessionID: part.SessionID, SID: part.SID, Cause: p.Request.Cause, At: p.At}
		}
		return left
	}
	ended := make([]Ending, len(p.Sessions))
	for i, s := range p.Sessions {
		ended[i] = Ending{SessionID: s.ID, Cause: p.Request.Cause, At: p.At}
	}
	return ended
}
