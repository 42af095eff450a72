package database

import "time"

// Micros returns t as the database keeps it.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// NullMicros returns t as the database keeps it; nil, which is NULL, for the zero time.
func NullMicros(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	us := t.UnixMicro()
	return &us
}

// Time returns the UTC time of a stored value.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }

// NullTime returns the UTC time of a stored value; the zero time for NULL.
func NullTime(us *int64) time.Time {
	if us == nil {
		return time.Time{}
	}
	return Time(*us)
}
