package config

// Check checks a user that does not come from the file by the rules for those that do. The error is an *Error with all problems, whose
// paths are the keys of a user.
func (u User) Check() error {
	r := newReport()
	u.check(r, "")
	return r.err("")
}
