// Package driver runs an exeunt process and drives it as browsers and relying parties do: for the load command and for the end-to-end
// tests, which measure and prove the same paths.
package driver
