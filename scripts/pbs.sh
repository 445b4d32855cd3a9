#!/bin/bash -l
{# A batch script for PBS, which `axialcast submit` fills in for each stage of a run.

   To change it: `axialcast cp pbs.sh mine.sh`, and `cluster: {script: mine.sh}` in the config.
   It is a Jinja2 template; what a placeholder stands for comes quoted. Lines may be for one stage
   alone: {% if stage == "verify" %} … {% endif %}
   Several processes are started by Open MPI's mpirun, which cluster.prologue has to load.
#}
# {{ name }} of {{ output }}, written by axialcast submit
#PBS -N {{ title }}
#PBS -j oe
#PBS -o {{ output }}/logs/
#PBS -V
#PBS -l walltime={{ walltime }}
#PBS -l select={{ nodes }}:ncpus={{ processes * cores }}:mpiprocs={{ processes }}:mem={{ memory_mib }}mb{% if gpus %}:ngpus={{ gpus }}{% endif %}

{% if nodes > 1 %}
#PBS -l place=scatter
{% endif %}
{% if parts > 1 %}
#PBS -J 1-{{ parts }}
{% endif %}
{% if queue %}
#PBS -q {{ queue }}
{% endif %}
{% if account %}
#PBS -A {{ account }}
{% endif %}

output={{ output }}
number=${PBS_JOBID%%[.[]*}
{% if parts == 1 %}
log=$output/logs/{{ name }}-$number
{% else %}
log=$output/logs/{{ name }}-${number}_$PBS_ARRAY_INDEX
{% endif %}
exec >>"$log.log" 2>&1
rm -f "$log.exit"

cd {{ directory }} || exit 1
{% for variable, value in environment.items() %}
export {{ variable }}={{ value }}
{% endfor %}
export OMP_NUM_THREADS={{ cores }}
{% if tasks > 1 %}
MASTER_ADDR=$(head -n 1 "$PBS_NODEFILE")
export MASTER_ADDR MASTER_PORT=$((20000 + number % 10000))
{% endif %}
{% for line in prologue %}
{{ line }}
{% endfor %}

# What there is to go on from: if it changes, the job got on.
saved() {
    find{% for saved in saves %} "$output"/{{ saved }}{% endfor %} \
        -maxdepth 2 -type f ! -name '.*' ! -name '*.progress.json' -printf '%p %s %T@\n' \
        2>/dev/null | sort | cksum
}
before=$(saved)

# Some time before the walltime SIGUSR1 tells the command to save what it has and to end, with
# status 138.
asked=
trap 'asked=yes; kill -TERM "$command"' TERM
timeout --preserve-status --signal=USR1 {{ walltime_seconds - save_seconds }} \
{% if tasks > 1 %}
    mpirun -n {{ tasks }} --map-by ppr:{{ processes }}:node:PE={{ cores }} \
    -x PATH -x OMP_NUM_THREADS -x MASTER_ADDR -x MASTER_PORT \
    {{ python }} -m axialcast run "$output/logs/config.yaml" {{ pipeline }} &
{% elif parts > 1 %}
    {{ python }} -m axialcast run "$output/logs/config.yaml" {{ pipeline }} --part "$PBS_ARRAY_INDEX/{{ parts }}" &
{% else %}
    {{ python }} -m axialcast run "$output/logs/config.yaml" {{ pipeline }} &
{% endif %}
command=$!
wait "$command"
status=$?
while [ -n "$asked" ]; do # a signal ended that wait, and not the command
    asked=
    wait "$command"
    status=$?
done

if [ "$status" = 138 ]; then
    if [ "$(saved)" = "$before" ]; then
        echo "axialcast: nothing new was saved within a walltime; make cluster.walltime longer"
{% if is_last %}
    else
        echo "axialcast: stopped before its end; submit again to go on, with more cluster.turns"
    fi
{% else %}
    else
        status=0 # the next job goes on
    fi
{% endif %}
fi
echo "$status" >"$log.exit"
exit "$status"
