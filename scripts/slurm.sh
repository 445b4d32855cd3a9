#!/bin/bash -l
{# A batch script for Slurm, which `axialcast submit` fills in for each stage of a run.

   To change it: `axialcast cp slurm.sh mine.sh`, and `cluster: {script: mine.sh}` in the config.
   It is a Jinja2 template; what a placeholder stands for comes quoted. Lines may be for one stage
   alone: {% if stage == "verify" %} … {% endif %}
#}
# {{ name }} of {{ output }}, written by axialcast submit
#SBATCH --job-name={{ title }}
{% if parts == 1 %}
#SBATCH --output={{ output }}/logs/{{ name }}-%j.log
{% else %}
#SBATCH --array=1-{{ parts }}
#SBATCH --output={{ output }}/logs/{{ name }}-%A_%a.log
{% endif %}
#SBATCH --open-mode=append
#SBATCH --time={{ walltime }}
#SBATCH --signal=B:USR1@{{ save_seconds }}
#SBATCH --requeue
#SBATCH --nodes={{ nodes }}
#SBATCH --ntasks-per-node={{ processes }}
#SBATCH --cpus-per-task={{ cores }}
#SBATCH --mem={{ memory_mib }}M
{% if gpus %}
#SBATCH --gpus-per-node={{ gpus }}
{% endif %}
{% if queue %}
#SBATCH --partition={{ queue }}
{% endif %}
{% if account %}
#SBATCH --account={{ account }}
{% endif %}

cd {{ directory }} || exit 1
{% for variable, value in environment.items() %}
export {{ variable }}={{ value }}
{% endfor %}
export OMP_NUM_THREADS={{ cores }}
{% for line in prologue %}
{{ line }}
{% endfor %}

output={{ output }}
{% if parts == 1 %}
log=$output/logs/{{ name }}-$SLURM_JOB_ID
{% else %}
log=$output/logs/{{ name }}-${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
{% endif %}
rm -f "$log.exit"

# What there is to go on from: if it changes, the job got on.
saved() {
    find{% for saved in saves %} "$output"/{{ saved }}{% endfor %} \
        -maxdepth 2 -type f ! -name '.*' ! -name '*.progress.json' -printf '%p %s %T@\n' \
        2>/dev/null | sort | cksum
}
before=$(saved)

# Told to stop, the command saves what it has and ends: by SIGUSR1 with status 138.
asked=
trap 'asked=yes; kill -USR1 "$command"' USR1
trap 'asked=yes; kill -TERM "$command"' TERM
{% if tasks > 1 %}
srun --kill-on-bad-exit=0 --wait=120 --cpus-per-task={{ cores }} --cpu-bind=cores \
    {{ python }} -m axialcast run "$output/logs/config.yaml" {{ pipeline }} &
{% elif parts > 1 %}
{{ python }} -m axialcast run "$output/logs/config.yaml" {{ pipeline }} --part "$SLURM_ARRAY_TASK_ID/{{ parts }}" &
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

# In a next job it goes on, unless a whole walltime brought nothing.
if [ "$status" = 138 ]; then
    if [ "$(saved)" = "$before" ]; then
        echo "axialcast: nothing new was saved within a walltime; make cluster.walltime longer" >&2
    elif scontrol requeue "$SLURM_JOB_ID"; then
        exec sleep infinity # Slurm ends this job now
    fi
fi
echo "$status" >"$log.exit"
exit "$status"
