# Starts a program under the rules of a container without privileges: the capabilities Docker leaves to root, and its system call
# filter's refusals of `unshare`, `mount`, `setns`, of new namespaces by `clone`, and of their like. As Docker does, without
# `no_new_privs`, so the program may still change its user where it was started as root.
#
# usage: perl container.pl PROGRAM ARGUMENT...
use strict;
use warnings;
use POSIX ();

my $machine = (POSIX::uname())[4];
my %numbers = (
    x86_64 => { prctl => 157, clone => 56, clone3 => 435, architecture => 0xC000003E,
        refused => { unshare => 272, mount => 165, umount2 => 166, setns => 308, pivot_root => 155, keyctl => 250, add_key => 248,
            request_key => 249, bpf => 321, perf_event_open => 298, userfaultfd => 323, name_to_handle_at => 303,
            open_by_handle_at => 304, fsopen => 430, fsmount => 432, open_tree => 428, move_mount => 429, mount_setattr => 442 } },
    aarch64 => { prctl => 167, clone => 220, clone3 => 435, architecture => 0xC00000B7,
        refused => { unshare => 97, mount => 40, umount2 => 39, setns => 268, pivot_root => 41, keyctl => 219, add_key => 217,
            request_key => 218, bpf => 280, perf_event_open => 241, userfaultfd => 282, name_to_handle_at => 264,
            open_by_handle_at => 265, fsopen => 430, fsmount => 432, open_tree => 428, move_mount => 429, mount_setattr => 442 } },
);
my $calls = $numbers{$machine} or die "no system call numbers for $machine\n";
my ($PR_CAPBSET_DROP, $PR_CAPBSET_READ, $PR_SET_SECCOMP, $PR_SET_NO_NEW_PRIVS) = (24, 23, 22, 38);
my ($EPERM, $ENOSYS) = (1, 38);
my ($ALLOW, $ERRNO, $KILL) = (0x7FFF0000, 0x00050000, 0x80000000);
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
my $NAMESPACES = 0x7E020000;

sub step { my ($code, $yes, $no, $value) = @_; return pack("S C C L", $code, $yes, $no, $value); }
sub load { my ($offset) = @_; return step(0x20, 0, 0, $offset); }
sub answer { my ($value) = @_; return step(0x06, 0, 0, $value); }
sub unless_equal_skip { my ($value, $count) = @_; return step(0x15, 0, $count, $value); }

my @program = (load(4), unless_equal_skip($calls->{architecture}, 1), step(0x05, 0, 0, 1), answer($KILL), load(0));
for my $number (sort { $a <=> $b } values %{ $calls->{refused} }) {
    push @program, unless_equal_skip($number, 1), answer($ERRNO | $EPERM);
}
push @program, unless_equal_skip($calls->{clone3}, 1), answer($ERRNO | $ENOSYS);
push @program, unless_equal_skip($calls->{clone}, 3), load(16), step(0x45, 0, 1, $NAMESPACES), answer($ERRNO | $EPERM), answer($ALLOW);

my %kept = map { $_ => 1 } (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31);
if ($> == 0) {
    for my $capability (0 .. 63) {
        next if $kept{$capability} || syscall($calls->{prctl}, $PR_CAPBSET_READ, $capability, 0, 0, 0) != 1;
        syscall($calls->{prctl}, $PR_CAPBSET_DROP, $capability, 0, 0, 0) == 0 or die "capability $capability: $!\n";
    }
} else {
    syscall($calls->{prctl}, $PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 or die "no new privileges: $!\n";
}
my $steps = join("", @program);
my $filter = pack("S x![P] P", scalar @program, $steps);
syscall($calls->{prctl}, $PR_SET_SECCOMP, 2, $filter, 0, 0) == 0 or die "filter: $!\n";
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
