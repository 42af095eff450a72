package protocol

import "testing"

// One client cannot take the places of all.
func TestWaitingIsShared(t *testing.T) {
	w := NewWaiting(5, 3)
	for i, step := range []struct {
		client string
		want   bool
	}{{"shop", true}, {"shop", true}, {"shop", true}, {"shop", false}, {"bank", true}, {"wiki", true}, {"wiki", false}} {
		if got := w.enter(step.client); got != step.want {
			t.Errorf("step %d: %s may wait: %t", i, step.client, got)
		}
	}
	w.leave("shop")
	if !w.enter("wiki") || w.enter("shop") {
		t.Error("a place that was given back is not the next one's")
	}
	for _, client := range []string{"shop", "shop", "bank", "wiki", "wiki"} {
		w.leave(client)
	}
	if w.all != 0 || len(w.of) != 0 {
		t.Errorf("%d wait when all have left: %v", w.all, w.of)
	}
}
