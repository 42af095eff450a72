package logout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// PlanFunc decides, inside the ending transaction, what follows from the sessions that end and the participations that leave; nil when
// nothing does. It is called again if that transaction comes to nothing and the store tries another.
type PlanFunc func(ctx context.Context, sessions []Session, leaving []Participation) (*Plan, error)

// Ender ends sessions in the store.
type Ender interface {
	// End does, in one transaction (the one in ctx if there is one): marks the target's live sessions as ended by the logout id, or with
	// OnlyParticipation its participations; only then reads who took part; asks plan; writes the logout, its deliveries and, when any is
	// pending, what insures them: a job, or for a plan that is Early a mark by which Outbox.Rescue finds it. When nothing was live it does not
	// ask plan, unless the request ReachesOffline; when there is no plan it writes nothing and returns nil. For CauseIdle and CauseExpired only
	// sessions that have passed a lifetime count as the target's: one may have become active since it was found.
	End(ctx context.Context, id string, req Request, at time.Time, plan PlanFunc) (*Plan, error)

	// Write writes a plan that ends nothing: its record, its deliveries and, when any is pending, what insures them, in one transaction (the
	// one in ctx if there is one).
	Write(ctx context.Context, plan *Plan) error

	// Remaining returns the SIDs of those leaving participations whose person has another live participation at the same client at that
	// time. Of logouts that end a person's sessions at the same moment the last to commit finds none. Call it in the ending transaction.
	Remaining(ctx context.Context, leaving []Participation, at time.Time) (map[string]bool, error)

	// AfterTx calls fn once it is known whether what was done in ctx is durable: after the outermost transaction in ctx has committed or
	// rolled back.
	AfterTx(ctx context.Context, fn func(committed bool))
}

// Store is all that the engine keeps.
type Store interface {
	Sessions
	Ender
	Outbox
	Receivers
	Journal
	Ledger
	Masses
	Inbox
	UserTokens
	Mailbox
}

// Config makes an Engine.
type Config struct {
	Issuer   string
	Store    Store
	Clients  Clients
	Signer   Signer
	Outgoing *Outgoing
	Streams  Streams // of shared signals; nil: there are none

	// Surviving, if set, finds the participations of sessions that ended before, of which a grant with offline_access survives that the
	// request's target names. It runs inside the ending transaction for requests that ReachesOffline; the clients leave and are told.
	// What it returns may contain participations that end right now. If the target has a Part it returns at most its Limit.
	Surviving func(ctx context.Context, req Request) ([]Participation, error)

	// InEnd, if set, runs inside the transaction that ends sessions, after planning: what it does in ctx happens with the logout or not at
	// all. The provider revokes tokens that would outlive the session there.
	InEnd func(ctx context.Context, plan *Plan) error

	Observe Observer // Hears of attempts and breakers. Defaults to nobody.
	Trace   Tracer   // Follows logouts and attempts. Defaults to nobody.
	// ClientsOf, if set, names the clients that know a person: by a live participation, a grant or a consent. Engine.Announce asks it for
	// events that do not say whom to tell.
	ClientsOf func(ctx context.Context, subject string) ([]string, error)

	// Detached, if set, describes to a client the device that a request of CauseDeviceDetached is about: what the event device.detached says
	// under `device`, `metadata` (what this client wrote itself), `online` and `acknowledged_at`. It runs inside the ending transaction.
	Detached func(ctx context.Context, req Request, clientID string) (map[string]any, error)

	AttemptTimeout time.Duration // Defaults to 10 s.
	RetryFor       time.Duration // Defaults to 72 h; negative: one attempt only.
	BacklogRate    int           // deliveries per second that this node takes from all backlogs together. Defaults to 200.
	Workers        int           // logouts whose first attempts run at once on this node; defaults to 64; see NoEarlyStart

	Now    func() time.Time // Defaults to time.Now.
	Logger *slog.Logger     // Defaults to slog.Default.
}

// Engine ends sessions and delivers the news. Safe for concurrent use.
type Engine struct {
	cfg       Config
	planner   planner
	notifiers map[Channel]Notifier
	limits    *limits
	breakers  *breakers
	pace      *pace
	settler   *settler
	messages  messages
	behind    *settler // of backlogs
	slots     chan struct{}
	polls     pollCount
	draining  chan struct{} // closed by Drain
	drain     sync.Once

	mu       sync.Mutex
	progress map[string]*progress // logouts whose first attempts run on this node
	early    sync.WaitGroup
	closed   bool
}

// NoEarlyStart as Config.Workers is for a process that ends sessions and then itself: it attempts no delivery, so a job carries them, and a
// node that works jobs takes it within about a second.
const NoEarlyStart = -1

// New makes an engine; it starts nothing.
func New(cfg Config) (*Engine, error) {
	switch {
	case cfg.Issuer == "":
		return nil, errors.New("logout: Config.Issuer is empty")
	case cfg.Store == nil, cfg.Clients == nil, cfg.Signer == nil, cfg.Outgoing == nil:
		return nil, errors.New("logout: Config needs Store, Clients, Signer and Outgoing")
	}
	if cfg.AttemptTimeout <= 0 {
		cfg.AttemptTimeout = 10 * time.Second
	}
	if cfg.RetryFor == 0 {
		cfg.RetryFor = 72 * time.Hour
	}
	if cfg.Workers == 0 {
		cfg.Workers = 64
	}
	if cfg.BacklogRate <= 0 {
		cfg.BacklogRate = 200
	}
	if cfg.Observe == nil {
		cfg.Observe = nobody{}
	}
	if cfg.Trace == nil {
		cfg.Trace = untraced{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	e := &Engine{
		cfg:       cfg,
		limits:    newLimits(),
		breakers:  newBreakers(cfg),
		pace:      newPace(cfg.BacklogRate),
		settler:   newSettler(cfg, linger),
		behind:    newSettler(cfg, lingerBacklog),
		slots:     make(chan struct{}, max(cfg.Workers, 0)), // without room nobody gets a place: see reserve
		progress:  make(map[string]*progress),
		notifiers: make(map[Channel]Notifier),
		messages:  messages{issuer: cfg.Issuer, tokens: &userTokens{store: cfg.Store, now: cfg.Now}},
		draining:  make(chan struct{}),
	}
	e.planner = planner{clients: cfg.Clients, retryFor: cfg.RetryFor}
	send := sender{outgoing: cfg.Outgoing, trace: cfg.Trace}
	e.add(ChannelBackchannel, &backchannel{sender: send, issuer: cfg.Issuer, clients: cfg.Clients, signer: cfg.Signer, now: cfg.Now})
	e.add(ChannelFrontchannel, frontchannel{issuer: cfg.Issuer})
	e.add(ChannelWebhook, &webhook{
		sender: send, clients: cfg.Clients, messages: e.messages, remaining: cfg.Store.Remaining, detached: cfg.Detached, now: cfg.Now,
	})
	if cfg.Streams != nil {
		e.add(ChannelCAEP, &caep{sender: send, issuer: cfg.Issuer, streams: cfg.Streams, clients: cfg.Clients, signer: cfg.Signer, now: cfg.Now})
	}
	return e, nil
}

// add makes the engine plan with a channel and, if it is one that reaches relying parties by itself, deliver with it.
func (e *Engine) add(name Channel, c channel) {
	e.planner.channels = append(e.planner.channels, c)
	if n, ok := c.(Notifier); ok {
		e.notifiers[name] = n
	}
}

// Outcome is what End did.
type Outcome struct {
	LogoutID string          // empty when there was nothing to end
	Sessions []Session       // that ended
	Leaving  []Participation // whose clients lost the person
	Receipts []Receipt       // as planned: nothing has been attempted yet
	Frames   []Frame         // what the page that the person sees next must embed
}

// End is the one way a session ends. It returns after the commit (or, joined to a transaction in ctx, before it) and waits for no relying
// party; see Wait. Nothing to end is not an error: the outcome's LogoutID is empty.
//
// Errors: ErrInvalidRequest for a target that could mean more than was meant; those of the store and of InEnd, and then nothing ended.
func (e *Engine) End(ctx context.Context, req Request) (*Outcome, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	ctx, done := e.cfg.Trace.Ending(ctx, req)
	out, err := e.end(ctx, req)
	done(out, err)
	return out, err
}

func (e *Engine) end(ctx context.Context, req Request) (*Outcome, error) {
	at := e.cfg.Now().UTC()
	id := NewID()
	var early bool
	plan, err := e.cfg.Store.End(ctx, id, req, at, func(ctx context.Context, sessions []Session, leaving []Participation) (*Plan, error) {
		e.release(early)
		early = false
		leaving, err := e.withSurviving(ctx, req, leaving)
		if err != nil || len(sessions)+len(leaving) == 0 {
			return nil, err
		}
		plan, err := e.planner.plan(ctx, id, req, at, sessions, leaving)
		if err != nil {
			return nil, err
		}
		if e.cfg.InEnd != nil {
			if err := e.cfg.InEnd(ctx, plan); err != nil {
				return nil, err
			}
		}
		plan.Early = len(plan.pending()) > 0 && e.reserve()
		early = plan.Early
		return plan, nil
	})
	if err != nil {
		e.release(early)
		return nil, err
	}
	if plan == nil {
		e.release(early) // of a transaction that came to nothing; in the next one there was nothing to end any more
		return &Outcome{}, nil
	}
	if plan.Early {
		e.startEarly(ctx, plan)
	}
	out := &Outcome{LogoutID: plan.LogoutID, Sessions: plan.Sessions, Leaving: plan.Leaving, Frames: plan.Frames}
	for _, d := range plan.Deliveries {
		out.Receipts = append(out.Receipts, d.Receipt())
	}
	return out, nil
}

// withSurviving adds the participations that only offline grants have kept.
func (e *Engine) withSurviving(ctx context.Context, req Request, leaving []Participation) ([]Participation, error) {
	if e.cfg.Surviving == nil || !req.ReachesOffline() {
		return leaving, nil
	}
	surviving, err := e.cfg.Surviving(ctx, req)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(leaving))
	for _, p := range leaving {
		known[p.SID] = true
	}
	for _, p := range surviving {
		if !known[p.SID] {
			known[p.SID] = true
			leaving = append(leaving, p)
		}
	}
	return leaving, nil
}

// reserve takes a place for an early start, if one is free.
func (e *Engine) reserve() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	select {
	case e.slots <- struct{}{}:
		e.early.Add(1)
		return true
	default:
		return false
	}
}

func (e *Engine) release(reserved bool) {
	if reserved {
		<-e.slots
		e.early.Done()
	}
}

// startEarly makes the first attempts as soon as the transaction has committed, and gives the place back if it rolls back.
func (e *Engine) startEarly(ctx context.Context, plan *Plan) {
	due := plan.pending()
	p := newProgress(plan.Deliveries)
	e.cfg.Store.AfterTx(ctx, func(committed bool) {
		if !committed {
			e.release(true)
			return
		}
		e.track(plan.LogoutID, p)
		e.pace.begin()
		go func() {
			defer e.early.Done()
			defer e.untrack(plan.LogoutID)
			written := e.attempt(context.WithoutCancel(ctx), due, p, plan.Request.InitiatorClientID)
			// The place is for talking to relying parties; the record may take its time.
			<-p.done
			<-e.slots
			err := written()
			close(p.written)
			if err != nil {
				e.cfg.Logger.WarnContext(ctx, "first attempts are left to a job", "logout", plan.LogoutID, "error", err)
			}
		}()
	})
}

// Deliver attempts what is pending of a logout. Its insurance job calls it.
func (e *Engine) Deliver(ctx context.Context, logoutID string) error {
	return e.deliver(ctx, Scope{LogoutID: logoutID})
}

// DeliverOne attempts one delivery whose next turn was set for nextAt. Its retry job calls it.
func (e *Engine) DeliverOne(ctx context.Context, deliveryID string, nextAt time.Time) error {
	return e.deliver(ctx, Scope{DeliveryID: deliveryID, NextAt: nextAt})
}

func (e *Engine) deliver(ctx context.Context, scope Scope) error {
	due, err := e.cfg.Store.Due(ctx, scope)
	if err != nil {
		return fmt.Errorf("logout: reading what is due: %w", err)
	}
	if len(due) == 0 {
		if scope.LogoutID == "" {
			return nil
		}
		return e.cfg.Store.Uninsure(ctx, scope.LogoutID)
	}
	return e.attempt(ctx, due, newProgress(due), "")()
}

// Redeliver gives the matching deliveries that are dead, rejected or waiting a new chance: their receivers are told
// as soon as they take it, in the order and at the rate of any backlog. It returns how many, also beside an error: what was done stays done.
func (e *Engine) Redeliver(ctx context.Context, f Filter) (int, error) {
	return e.RedeliverEach(ctx, f, nil)
}

// RedeliverEach is Redeliver for whoever keeps a record. Many deliveries are moved in batches, so that nobody who logs in or out waits for all
// of them; moved is called in the transaction of each batch, with the number of its deliveries. Its error undoes that batch and is returned.
// Call it outside of transactions: one in ctx would hold everything until the end.
func (e *Engine) RedeliverEach(ctx context.Context, f Filter, moved func(ctx context.Context, count int) error) (int, error) {
	at := e.cfg.Now().UTC()
	return e.cfg.Store.Redeliver(ctx, f, at, at.Add(AnotherChance(e.cfg.RetryFor)), moved)
}

// stopping reports whether Stop was called: then what can go on elsewhere should.
func (e *Engine) stopping() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Stop lets the attempts that run finish until ctx is done. What does not finish is done by jobs: see Rescue. No early start happens
// afterwards, and jobs that take long come to an end soon.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { e.early.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("logout: stopping while first attempts run; jobs take over: %w", ctx.Err())
	}
}
