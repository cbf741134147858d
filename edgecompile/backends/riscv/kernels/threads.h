/* Several cores of a system with POSIX threads. */

/* ---- team ---- */
/* The members wait between their parts; whoever calls model_run does the first part itself, and all
   those of members that could not be started. -DTHREADS=1 needs no C library: one core does all
   parts, one after the other. */
#ifndef THREADS
#define THREADS PARTS
#endif

#if THREADS > 1
#include <pthread.h>

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t start, done;
    void (*work)(int32_t part);
    int32_t members, turn, busy;
} team = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER,
          NULL, -1, 0, 0};

static void *member(void *argument)
{
    const int32_t part = (int32_t)(intptr_t)argument;
    for (int32_t turn = 0;;) {
        pthread_mutex_lock(&team.mutex);
        while (team.turn == turn)
            pthread_cond_wait(&team.start, &team.mutex);
        turn = team.turn;
        void (*const work)(int32_t) = team.work;
        pthread_mutex_unlock(&team.mutex);
        work(part);
        pthread_mutex_lock(&team.mutex);
        if (--team.busy == 0)
            pthread_cond_signal(&team.done);
        pthread_mutex_unlock(&team.mutex);
    }
    return NULL;
}

static void share(void (*work)(int32_t part))
{
    if (team.members < 0) {
        pthread_t thread;
        for (team.members = 0; team.members < THREADS - 1; team.members++) {
            if (pthread_create(&thread, NULL, member, (void *)(intptr_t)(team.members + 1)) != 0)
                break;
            pthread_detach(thread);
        }
    }
    pthread_mutex_lock(&team.mutex);
    team.work = work;
    team.busy = team.members;
    team.turn = (team.turn + 1) & 0xFFFF;
    pthread_cond_broadcast(&team.start);
    pthread_mutex_unlock(&team.mutex);
    work(0);
    for (int32_t part = team.members + 1; part < PARTS; part++)
        work(part);
    pthread_mutex_lock(&team.mutex);
    while (team.busy > 0)
        pthread_cond_wait(&team.done, &team.mutex);
    pthread_mutex_unlock(&team.mutex);
}
#else
static void share(void (*work)(int32_t part))
{
    for (int32_t part = 0; part < PARTS; part++)
        work(part);
}
#endif
