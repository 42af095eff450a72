package logoutstore

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

// The queues: what a person may be waiting for never stands behind the backlog of a receiver that is down, nor does the retry of a delivery
// to one that lives.
const (
	queueFirst    = "logout"
	queueRetry    = "logout_retry"
	queueReceiver = "logout_receiver"
	queueMass     = "logout_mass"
)

// insuranceJob makes sure that a logout's pending deliveries are attempted although the node that ended the session has no room for them, or
// died.
type insuranceJob struct {
	LogoutID string `json:"logout_id"`
}

// Kind implements river.JobArgs.
func (insuranceJob) Kind() string { return "logout_insurance" }

func newInsuranceJob(logoutID string) river.InsertManyParams {
	return river.InsertManyParams{Args: insuranceJob{LogoutID: logoutID}, InsertOpts: &river.InsertOpts{Queue: queueFirst}}
}

// retryJob is the next turn of one delivery.
type retryJob struct {
	DeliveryID string `json:"delivery_id"`
	NextAt     int64  `json:"next_at"` // microseconds: the turn it stands for
}

// Kind implements river.JobArgs.
func (retryJob) Kind() string { return "logout_retry" }

// receiverJob is the next turn of what is parked for a receiver.
type receiverJob struct {
	ClientID string `json:"client_id"`
	Channel  string `json:"channel"`
	TurnAt   int64  `json:"turn_at"` // microseconds
}

// Kind implements river.JobArgs.
func (receiverJob) Kind() string { return "logout_receiver" }

func newRetryJob(deliveryID string, nextAt, now time.Time) river.InsertManyParams {
	return river.InsertManyParams{Args: retryJob{DeliveryID: deliveryID, NextAt: database.Micros(nextAt)}, InsertOpts: options(queueRetry, nextAt, now)}
}

// options of a job that runs at a time. One that is due now gets none: a job with a time, even a past one, waits for River's scheduler,
// which looks every few seconds.
func options(queue string, at, now time.Time) *river.InsertOpts {
	o := &river.InsertOpts{Queue: queue}
	if at.After(now) {
		o.ScheduledAt = at
	}
	return o
}

// massWorkers is how many mass logouts a node works on at once.
const massWorkers = 2

// Work returns what a node needs to run the engine's jobs; add other workers to it and give it to database.DB.StartQueue. Beside them the node must
// call Engine.Rescue every few seconds: otherwise nobody sees to what a node that died was about to tell.
//
// workers is the number of logouts, of retries and of receivers' backlogs that the node works on at once; attemptTimeout is that of the engine.
func Work(engine *logout.Engine, workers int, attemptTimeout time.Duration) database.Work {
	all := river.NewWorkers()
	river.AddWorker(all, &insuranceWorker{engine: engine})
	river.AddWorker(all, &retryWorker{engine: engine})
	river.AddWorker(all, &receiverWorker{engine: engine})
	river.AddWorker(all, &massWorker{engine: engine})
	queues := map[string]int{queueFirst: workers, queueRetry: workers, queueReceiver: workers, queueMass: massWorkers}
	return database.Work{Workers: all, Queues: queues, JobTimeout: attemptTimeout + jobMargin}
}

// jobMargin is what a job may take beyond its attempt: a turn in the queue of a full receiver, and the record.
const jobMargin = 5 * time.Second

type insuranceWorker struct {
	river.WorkerDefaults[insuranceJob]
	engine *logout.Engine
}

// Work implements river.Worker.
func (w *insuranceWorker) Work(ctx context.Context, job *river.Job[insuranceJob]) error {
	return w.engine.Deliver(ctx, job.Args.LogoutID)
}

// NextRetry implements river.Worker.
func (w *insuranceWorker) NextRetry(job *river.Job[insuranceJob]) time.Time { return soon(job.Attempt) }

type retryWorker struct {
	river.WorkerDefaults[retryJob]
	engine *logout.Engine
}

// Work implements river.Worker.
func (w *retryWorker) Work(ctx context.Context, job *river.Job[retryJob]) error {
	return w.engine.DeliverOne(ctx, job.Args.DeliveryID, database.Time(job.Args.NextAt))
}

// NextRetry implements river.Worker.
func (w *retryWorker) NextRetry(job *river.Job[retryJob]) time.Time { return soon(job.Attempt) }

type receiverWorker struct {
	river.WorkerDefaults[receiverJob]
	engine *logout.Engine
}

// Work implements river.Worker.
func (w *receiverWorker) Work(ctx context.Context, job *river.Job[receiverJob]) error {
	r := logout.Receiver{ClientID: job.Args.ClientID, Channel: logout.Channel(job.Args.Channel)}
	return w.engine.DeliverParked(ctx, r, database.Time(job.Args.TurnAt))
}

// Timeout implements river.Worker.
func (w *receiverWorker) Timeout(*river.Job[receiverJob]) time.Duration {
	return w.engine.TurnTimeout()
}

// NextRetry implements river.Worker.
func (w *receiverWorker) NextRetry(job *river.Job[receiverJob]) time.Time { return soon(job.Attempt) }

// soon is when a job is worked again that failed itself, which says that the database did: a receiver's failure is recorded and has its
// own schedule.
func soon(attempt int) time.Time {
	return time.Now().Add(min(time.Duration(attempt)*2*time.Second, time.Minute))
}
