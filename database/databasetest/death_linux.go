package databasetest

import "syscall"

// dieWithParent makes the kernel stop the server when the test binary is gone, however it went. SIGINT is PostgreSQL's fast shutdown.
func dieWithParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	with := *attr
	with.Pdeathsig = syscall.SIGINT
	return &with
}
