package logoutstore

// WaitingEnds returns how many calls of End wait for a shared transaction.
func (s *Store) WaitingEnds() int {
	s.ends.mu.Lock()
	defer s.ends.mu.Unlock()
	return len(s.ends.waiting)
}
