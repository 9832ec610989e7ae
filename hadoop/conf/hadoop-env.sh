# The class-data archive in the options is valid for this Java only.
JAVA_HOME="$java_home"
JAVA_OPTIONS="$java_options"
